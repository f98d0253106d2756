import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import type { FeatureName } from './peers/features.ts';
import type { PeerName } from './peers/peers.ts';

export type Task = {
  readonly peer: PeerName | FeatureName;
  readonly url: string;
  readonly stream: string;
  readonly consumer: string;
  readonly slots: number;
  readonly window: number;
  readonly messages: number;
};

const sampleSchema = z.object({ messagesPerSecond: z.number(), cpuMicrosPerMessage: z.number() });
export type Sample = z.infer<typeof sampleSchema>;

/** Lets one peer consume a backlog in a process of its own. */
export async function takeSample(task: Task): Promise<Sample> {
  return runFixture('consume.ts', task);
}

/** Runs a program of fixtures/ with a task in JSON, and reads the sample that it prints. */
export async function runFixture(fixture: string, task: object): Promise<Sample> {
  const program = fileURLToPath(new URL(`./fixtures/${fixture}`, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(task)]);
  return sampleSchema.parse(JSON.parse(stdout));
}
