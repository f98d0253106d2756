import { msToSeconds, secondsToMs } from '#common/units.ts';
import type { Fleet, Work } from './fleet.ts';
import { known, unknown } from './signals.ts';
import type { Capacity } from './signals.ts';

export type Prior = { readonly concurrency: number; readonly serviceMilliseconds: number };

/**
 * What the consumer alone shows about the speed of a replica: completions and ready replica-seconds while there was
 * always a message to take, recency-weighted.
 */
export type Throughput = {
  readonly completed: number;
  readonly readySeconds: number;
  /** Not yet counted, because nothing was completed since: what does not move may be blocked, not slow. */
  readonly openSeconds: number;
  /** Most jobs per second that a ready replica completed in a window; a floor of what it can. */
  readonly seenPerSecond: number;
};

export const emptyThroughput: Throughput = {
  completed: 0,
  readySeconds: 0,
  openSeconds: 0,
  seenPerSecond: 0,
};

const memorySeconds = 180;
/** Less is too little to conclude a rate from. */
const shortestReadySeconds = 10;
const memoryJobs = 30;
const longestOpenSeconds = 300;
/** The policy's assumption weighs as much as so many completed jobs, and fades like them. */
const priorJobs = 2;
/** Heartbeats and throughput may differ by this factor; beyond it the consumer is believed, not the workers. */
const trustFactor = 2;
/** Completions under a backlog before the workers' own account is doubted. */
const fewestJobsToDoubt = 20;

/** Adds a trusted step that began and ended with undelivered messages and was not limited by max_ack_pending. */
export function addBackloggedStep(
  throughput: Throughput,
  step: { readonly completed: number; readonly readySeconds: number; readonly ready: number },
  priorPerSecond: number,
): Throughput {
  const openSeconds = Math.min(throughput.openSeconds + step.readySeconds, longestOpenSeconds * step.ready);
  if (step.completed <= 0) return { ...throughput, openSeconds };
  const fading = Math.exp(-Math.min(openSeconds / step.ready / memorySeconds, step.completed / memoryJobs));
  const isFirst = throughput.completed === 0;
  const [completed, readySeconds] = isFirst
    ? [priorJobs, priorJobs / priorPerSecond]
    : [throughput.completed, throughput.readySeconds];
  return {
    completed: completed * fading + step.completed,
    readySeconds: readySeconds * fading + openSeconds,
    openSeconds: 0,
    seenPerSecond: throughput.seenPerSecond,
  };
}

/** Notes what ready replicas completed within the last window, backlogged or not. */
export function seeCompletions(
  throughput: Throughput,
  window: { readonly completed: number; readonly readySeconds: number },
  elapsedSeconds: number,
): Throughput {
  if (window.readySeconds < shortestReadySeconds || window.completed === 0) return throughput;
  const fading = Math.exp(-elapsedSeconds / memorySeconds);
  const seen = window.completed / window.readySeconds;
  return { ...throughput, seenPerSecond: Math.max(seen, throughput.seenPerSecond * fading) };
}

/**
 * Jobs per second of one replica, c. From heartbeats: slots / time per job; else from throughput; else the policy's
 * assumption. Never below what replicas have been seen to complete.
 */
export function capacity(fleet: Fleet, throughput: Throughput, prior: Prior, atMs: number): Capacity {
  const slots = fleet.slotsPerReplica ?? prior.concurrency;
  const shown = throughput.completed === 0 ? undefined : throughput.completed / throughput.readySeconds;
  if (fleet.slotsPerReplica !== undefined && fleet.work !== undefined) {
    const serviceMs = timePerJobMs(fleet.work);
    const reported = slots / msToSeconds(serviceMs);
    const isDoubtful =
      throughput.completed >= fewestJobsToDoubt && reported > trustFactor * (shown ?? reported);
    if (!isDoubtful) {
      return { jobsPerSecond: reported, slots, serviceMs: known(serviceMs, atMs), basis: 'heartbeats' };
    }
  }
  if (shown !== undefined) {
    return fromRate(Math.max(shown, throughput.seenPerSecond), slots, atMs, 'throughput');
  }
  const priorPerSecond = assumedPerSecond(prior);
  if (throughput.seenPerSecond > priorPerSecond) {
    return fromRate(throughput.seenPerSecond, slots, atMs, 'lowerBound');
  }
  return {
    jobsPerSecond: priorPerSecond,
    slots,
    serviceMs: unknown('no job has been measured yet'),
    basis: 'prior',
  };
}

export const assumedPerSecond = (prior: Prior): number =>
  prior.concurrency / msToSeconds(prior.serviceMilliseconds);

function fromRate(
  jobsPerSecond: number,
  slots: number,
  atMs: number,
  basis: 'throughput' | 'lowerBound',
): Capacity {
  return { jobsPerSecond, slots, serviceMs: known(secondsToMs(slots / jobsPerSecond), atMs), basis };
}

/**
 * Slot time per succeeded job: total busy time over successes. Running jobs are in the busy time, so long jobs are
 * noticed before the first one ends: for exponential times this is the maximum-likelihood estimate under censoring.
 *
 * Failed attempts may at most double it (more workers would only fail more), and jobs that have not ended can raise
 * it to their own age, no further.
 */
function timePerJobMs(work: Work): number {
  const perAttemptMs = Math.min(work.busyMs / work.attempts, Math.max(work.settledMs, work.oldestRunningMs));
  return Math.max(0.01, Math.min(work.busyMs / work.succeeded, 2 * perAttemptMs));
}
