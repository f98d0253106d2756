import { readFile } from 'node:fs/promises';

/** What a process has used so far. */
export type Usage = {
  readonly atMs: number;
  /** Of all its threads, user and system. */
  readonly cpuSeconds: number;
  readonly residentMb: number;
};

/** The kernel counts processor time in hundredths of a second on all platforms that we know. */
const ticksPerSecond = 100;

/** @throws Error when there is no such process. */
export async function usageOf(pid: number): Promise<Usage> {
  const [stat, status] = await Promise.all([
    readFile(`/proc/${pid}/stat`, 'utf8'),
    readFile(`/proc/${pid}/status`, 'utf8'),
  ]);
  // The name, between parentheses, may contain anything; state is the first field behind it, utime the 12th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  const kilobytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
  if (!Number.isFinite(ticks + kilobytes)) throw new Error(`/proc/${pid} has no times or no VmRSS`);
  return { atMs: performance.now(), cpuSeconds: ticks / ticksPerSecond, residentMb: kilobytes / 1_024 };
}

/** Processors that it kept busy between two looks. */
export const cores = (from: Usage, to: Usage): number =>
  (to.cpuSeconds - from.cpuSeconds) / ((to.atMs - from.atMs) / 1_000);
