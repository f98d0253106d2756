import { msToSeconds, secondsToMs } from '#common/units.ts';
import type { Fleet, Work } from './fleet.ts';
import type { Count } from './rates.ts';
import { known, unknown } from './signals.ts';
import type { Capacity } from './signals.ts';

export type Prior = { readonly concurrency: number; readonly serviceMilliseconds: number };

/**
 * What the consumer alone shows about the speed of a replica: completions and replica-seconds while there was
 * always a message to take, recency-weighted.
 */
export type Throughput = {
  readonly completed: number;
  readonly replicaSeconds: number;
  /** Not yet counted, because nothing was completed since: what does not move may be blocked, not slow. */
  readonly openSeconds: number;
  /** Jobs per second that a replica has lately been seen to complete, backlog or not: a floor of what it can. */
  readonly seenPerSecond: number;
  /** Mean time from delivery to ack, which by Little's law is the time held over the completions. */
  readonly heldSecondsPerJob: number | undefined;
};

export const emptyThroughput: Throughput = {
  completed: 0,
  replicaSeconds: 0,
  openSeconds: 0,
  seenPerSecond: 0,
  heldSecondsPerJob: undefined,
};

const memorySeconds = 180;
/** Less is too little to conclude a rate from. */
const shortestReplicaSeconds = 10;
const memoryJobs = 30;
const longestOpenSeconds = 300;
/** The policy's assumption weighs as much as so many completed jobs, and nothing once the answer is conclusive. */
const priorJobs = 2;
/** Heartbeats and throughput may differ by this factor; beyond it the consumer is believed, not the workers. */
const trustFactor = 2;
/** Jobs that get heavier show in heartbeats first, so that more is believed in this direction. */
const slowTrustFactor = 4;
/** So many completions under a backlog settle the question. */
const conclusiveJobs = 20;

/** Adds a trusted step that began and ended with undelivered messages and was not limited by max_ack_pending. */
export function addBackloggedStep(
  throughput: Throughput,
  step: { readonly completed: number; readonly seconds: number; readonly replicas: number },
): Throughput {
  const openSeconds = Math.min(
    throughput.openSeconds + step.seconds * step.replicas,
    longestOpenSeconds * step.replicas,
  );
  if (step.completed <= 0) return { ...throughput, openSeconds };
  const fading = Math.exp(
    -Math.min(openSeconds / step.replicas / memorySeconds, step.completed / memoryJobs),
  );
  return {
    ...throughput,
    completed: throughput.completed * fading + step.completed,
    replicaSeconds: throughput.replicaSeconds * fading + openSeconds,
    openSeconds: 0,
  };
}

/** Notes what replicas completed within the last window, backlogged or not. */
export function seeCompletions(
  throughput: Throughput,
  window: Pick<Count, 'completed' | 'replicaSeconds' | 'heldSeconds'>,
  elapsedSeconds: number,
): Throughput {
  const { completed, replicaSeconds, heldSeconds } = window;
  if (replicaSeconds < shortestReplicaSeconds || completed < 1) return throughput;
  const fading = Math.exp(-elapsedSeconds / memorySeconds);
  return {
    ...throughput,
    seenPerSecond: Math.max(completed / replicaSeconds, throughput.seenPerSecond * fading),
    // Short jobs fall between two looks; a second more is the resolution of looking once a second.
    heldSecondsPerJob: (heldSeconds + 1) / completed,
  };
}

/**
 * Jobs per second of one replica, c. From heartbeats: slots / time per job. Without them, from throughput under a
 * backlog, or, before enough jobs were completed under one, what replicas complete at least; else the policy's
 * assumption.
 *
 * @param sharedBy sources that a worker serves at a time, each of which sees only its share of the completions.
 */
export function capacity(
  fleet: Fleet,
  throughput: Throughput,
  { prior, atMs, sharedBy }: { readonly prior: Prior; readonly atMs: number; readonly sharedBy: number },
): Capacity {
  const slots = fleet.slotsPerReplica ?? prior.concurrency;
  const shown = shownPerSecond(throughput, prior);
  const isConclusive = throughput.completed >= conclusiveJobs;
  if (fleet.slotsPerReplica !== undefined && fleet.work !== undefined) {
    const serviceMs = timePerJobMs(fleet.work);
    const reported = slots / msToSeconds(serviceMs);
    const seen = Math.max(isConclusive ? (shown ?? 0) : 0, throughput.seenPerSecond);
    const isTooFast = isConclusive && reported > trustFactor * sharedBy * (shown ?? reported);
    const isTooSlow = reported * slowTrustFactor < seen;
    if (!isTooFast && !isTooSlow) {
      return { jobsPerSecond: reported, slots, serviceMs: known(serviceMs, atMs), basis: 'heartbeats' };
    }
  }
  if (shown !== undefined && isConclusive) {
    return fromRate(Math.max(shown, throughput.seenPerSecond), slots, atMs, 'throughput');
  }
  const atLeast = leastPerSecond(throughput, slots);
  const believed = shown ?? slots / msToSeconds(prior.serviceMilliseconds);
  if (atLeast > believed) return fromRate(atLeast, slots, atMs, 'lowerBound');
  if (shown !== undefined) return fromRate(shown, slots, atMs, 'throughput');
  return {
    jobsPerSecond: believed,
    slots,
    serviceMs: unknown('no job has been measured yet'),
    basis: 'prior',
  };
}

/** Completions per replica-second, with the assumption weighing less the more was completed. */
function shownPerSecond({ completed, replicaSeconds }: Throughput, prior: Prior): number | undefined {
  if (completed === 0) return undefined;
  const weight = priorJobs * Math.max(0, 1 - completed / conclusiveJobs);
  return (completed + weight) / (replicaSeconds + weight / assumedPerSecond(prior));
}

/**
 * As seen, or the assumed slots over the time from delivery to ack, which buffering and waiting for retries only
 * lengthen.
 */
function leastPerSecond({ seenPerSecond, heldSecondsPerJob }: Throughput, slots: number): number {
  return Math.max(seenPerSecond, heldSecondsPerJob === undefined ? 0 : slots / heldSecondsPerJob);
}

const assumedPerSecond = (prior: Prior): number => prior.concurrency / msToSeconds(prior.serviceMilliseconds);

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
