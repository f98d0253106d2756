import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import type { PeerName } from './peers/peers.ts';

export type Task = {
  readonly peer: PeerName;
  readonly url: string;
  readonly stream: string;
  readonly consumer: string;
  readonly slots: number;
  readonly window: number;
  readonly messages: number;
};

const sampleSchema = z.object({ messagesPerSecond: z.number(), cpuMicrosPerMessage: z.number() });
export type Sample = z.infer<typeof sampleSchema>;

const program = fileURLToPath(new URL('./fixtures/consume.ts', import.meta.url));

/** Lets one peer consume a backlog in a process of its own. */
export async function takeSample(task: Task): Promise<Sample> {
  const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(task)]);
  return sampleSchema.parse(JSON.parse(stdout));
}
