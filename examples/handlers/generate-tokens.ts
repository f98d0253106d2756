/**
 * Stands for a model server that generates tokens: a job waits as long as its answer would take. Each start and end is
 * noted in a file of this process in the folder PENSTOCK_DEMO_LOG, if there is one, so that nobody has to believe the
 * worker's own figures.
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { Discard } from '../../worker/index.ts';
import type { Job, JobContext } from '../../worker/index.ts';

const requestSchema = z.object({
  id: z.string(),
  serviceMs: z.number().min(0).max(60_000),
});

const logFolder = process.env['PENSTOCK_DEMO_LOG'];
// A process id can come again within one demo; together with the start it cannot.
const logFile = logFolder === undefined ? undefined : join(logFolder, `${process.pid}-${Date.now()}.jsonl`);

export default async function generateTokens(job: Job, context: JobContext): Promise<void> {
  const request = requestSchema.safeParse(job.json());
  if (!request.success) throw new Discard(`not a request for tokens: ${z.prettifyError(request.error)}`);
  const { id, serviceMs } = request.data;
  note('start', id, job.attempt);
  await sleep(serviceMs, undefined, { signal: context.signal });
  note('end', id, job.attempt);
}

/** Written before it returns: what was noted survives whatever ends the process next. */
function note(event: 'start' | 'end', id: string, attempt: number): void {
  if (logFile === undefined) return;
  appendFileSync(logFile, `${JSON.stringify({ event, id, pid: process.pid, attempt, atMs: Date.now() })}\n`);
}
