import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { DemoSummary } from '../../../demo/summary.ts';

/** Everything that a demo starts inherits this as TMPDIR, so it is also the mark by which its processes are known. */
let folder: string;
let started: ChildProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'penstock-demo-test-'));
});
afterEach(async () => {
  if (started?.exitCode === null) signalGroup(started, 'SIGKILL');
  for (const pid of await processesOfDemo()) process.kill(pid, 'SIGKILL');
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
});

type Finished = { readonly exitCode: number | null; readonly stdout: string; readonly stderr: string };
type Demo = {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  readonly stderr: () => string;
};

/** In a process group of its own, as a shell would start it. */
function startDemo(...args: string[]): Demo {
  const child = spawn(process.execPath, ['demo/main.ts', '--plain', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: folder },
    detached: true,
  });
  started = child;
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const finished = once(child, 'close').then(() => ({ exitCode: child.exitCode, stdout, stderr }));
  return { child, finished, stderr: () => stderr };
}

/** What a terminal does on Ctrl-C. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid !== undefined) process.kill(-child.pid, signal);
}

async function processesOfDemo(): Promise<number[]> {
  const found: number[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const environment = await readFile(`/proc/${entry}/environ`, 'utf8').catch(() => '');
    if (environment.split('\0').includes(`TMPDIR=${folder}`)) found.push(Number(entry));
  }
  return found;
}

/** The last of them, the one that watches over the replicas, ends a moment after the operator. */
async function expectNoProcessLeft(): Promise<void> {
  await expect.poll(processesOfDemo, { timeout: 20_000 }).toEqual([]);
}

/** Ends with the test's own time limit at the latest. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(50);
}

test('a short replay loses nothing, runs nothing twice, and ends where it began', async () => {
  const { finished } = startDemo('--seconds', '15', '--speed', '4', '--json', '-');
  const { exitCode, stdout, stderr } = await finished;
  expect(exitCode, stderr).toBe(0);
  const summary = JSON.parse(stdout) as DemoSummary;
  expect(summary.jobs.published).toBeGreaterThan(0);
  expect(summary.jobs).toMatchObject({
    completed: summary.jobs.published,
    lost: 0,
    runTwice: 0,
    deadLettered: 0,
  });
  expect(summary).toMatchObject({ returnedToFloor: true, problems: [] });
  expect(summary.fleet.peakReplicas).toBeGreaterThan(0);
  expect(stderr).toContain('Nothing was lost');
  await expectNoProcessLeft();
  expect(await readdir(folder)).toEqual([]);
});

test('Ctrl-C in the middle ends the replay, works off the queue and tells the result', async () => {
  const { child, finished, stderr } = startDemo('--seconds', '600', '--speed', '4', '--json', '-');
  await until(() => /arrivals=[1-9]/.test(stderr()));
  signalGroup(child, 'SIGINT');
  const { exitCode, stdout, stderr: output } = await finished;
  expect(exitCode, output).toBe(0);
  const { jobs } = JSON.parse(stdout) as DemoSummary;
  expect(jobs).toMatchObject({ completed: jobs.published, lost: 0 });
  expect(output).toContain('scale actions');
  await expectNoProcessLeft();
});

test('a second Ctrl-C ends everything at once, and says so', async () => {
  const { child, finished, stderr } = startDemo('--seconds', '600', '--speed', '4', '--json', '-');
  await until(() => /arrivals=[1-9]/.test(stderr()));
  signalGroup(child, 'SIGINT');
  await until(() => stderr().includes('draining'));
  signalGroup(child, 'SIGINT');
  const { exitCode, stdout, stderr: output } = await finished;
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
  expect(output).toContain('ended at once by a second signal');
  await expectNoProcessLeft();
});

test.each([
  { args: ['--speed', 'fast'], names: ['--speed', 'fast', 'Give a number'] },
  { args: ['--seconds', '0'], names: ['--seconds', '0', 'from 1'] },
  { args: ['--trace', 'nowhere.csv'], names: ['--trace', 'nowhere.csv'] },
  { args: ['--trace', 'package.json'], names: ['package.json:1', 'column', 'one row per job'] },
  { args: ['--fast'], names: ['--fast'] },
  { args: ['quickly'], names: ['argument'] },
])('arguments that do not fit are named: $args', async ({ args, names }) => {
  const { exitCode, stderr } = await startDemo(...args).finished;
  expect(exitCode).toBe(2);
  for (const name of names) expect(stderr).toContain(name);
});
