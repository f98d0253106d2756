import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

/** What examples/handlers/generate-tokens.ts writes when a job starts and when it ends. */
const recordSchema = z.object({
  event: z.enum(['start', 'end']),
  id: z.string(),
  /** Unique among all processes of a demo. */
  worker: z.string(),
  attempt: z.number(),
  /** Milliseconds since 1970. */
  atMs: z.number(),
});

export type JobRecord = z.infer<typeof recordSchema>;

/** @throws ZodError for what no worker has written. */
export const parseRecord = (line: string): JobRecord => recordSchema.parse(JSON.parse(line));

export type JobLog = {
  /** What was read so far, in the order of each process. */
  readonly records: readonly JobRecord[];
  /** Reads what was appended since the last call. */
  readNew(): Promise<void>;
};

/** Follows the files of a folder that workers append to, one file per process. */
export function followJobLog(folder: string): JobLog {
  const records: JobRecord[] = [];
  const offsets = new Map<string, number>();
  return {
    records,
    async readNew() {
      for (const name of (await readdir(folder)).toSorted()) {
        const offset = offsets.get(name) ?? 0;
        const lines = await readWholeLines(join(folder, name), offset);
        offsets.set(name, offset + Buffer.byteLength(lines));
        for (const line of lines.split('\n')) {
          if (line !== '') records.push(parseRecord(line));
        }
      }
    },
  };
}

/** From the offset to the last line end: a line whose writing is under way is left for the next time. */
async function readWholeLines(path: string, offset: number): Promise<string> {
  await using file = await open(path);
  const { size } = await file.stat();
  const buffer = Buffer.alloc(size - offset);
  const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
  return buffer.toString('utf8', 0, buffer.subarray(0, bytesRead).lastIndexOf('\n') + 1);
}
