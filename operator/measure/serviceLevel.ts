import { waitBoundsSeconds } from '#common/heartbeat.ts';
import type { SourceObservation } from '../observe/observation.ts';
import { known, unknown } from './signals.ts';
import type { Known, ServiceLevel } from './signals.ts';

/**
 * How many of the jobs that came in the last hour began in time. Workers count the waits of their jobs; without that,
 * each arrival is taken to wait for as long as the queue in front of it takes (Little's law).
 */
export type Waits = {
  /** The objective that `within` was counted by; another one begins anew. */
  readonly withinSeconds: number;
  /** Oldest first. */
  readonly parts: readonly WaitsPart[];
};

type WaitsPart = WaitsStep & { readonly fromMs: number };

/** Jobs that began, or came in, between two looks. */
export type WaitsStep = {
  readonly jobs: number;
  readonly within: number;
  /** Of the jobs: those whose wait is an estimate. */
  readonly estimated: number;
};

type Heard = SourceObservation['heartbeats'][number];

const windowMs = 3_600_000;
const partMs = 300_000;

export const emptyWaits: Waits = { withinSeconds: 0, parts: [] };

export function addWaits(
  { withinSeconds, parts }: Waits,
  atMs: number,
  step: WaitsStep,
  seconds: number,
): Waits {
  const kept = withinSeconds === seconds ? parts.filter(({ fromMs }) => fromMs > atMs - windowMs) : [];
  const last = kept.at(-1);
  if (last === undefined || atMs - last.fromMs >= partMs) {
    return { withinSeconds: seconds, parts: step.jobs === 0 ? kept : [...kept, { ...step, fromMs: atMs }] };
  }
  const sum = {
    fromMs: last.fromMs,
    jobs: last.jobs + step.jobs,
    within: last.within + step.within,
    estimated: last.estimated + step.estimated,
  };
  return { withinSeconds: seconds, parts: kept.with(-1, sum) };
}

/**
 * Jobs that workers began since the last look, by how long they had waited.
 *
 * @param mostJobs as many as the consumer can have delivered: a claim of more is not believed.
 * @returns undefined when no worker counts waits, or too many are claimed.
 */
export function reportedWaits(
  before: ReadonlyMap<string, Heard>,
  heard: readonly Heard[],
  withinSeconds: number,
  mostJobs: number,
): WaitsStep | undefined {
  let [jobs, within, isReported] = [0, 0, false];
  for (const { heartbeat } of heard) {
    const { waits } = heartbeat;
    const last = before.get(heartbeat.worker)?.heartbeat;
    if (waits === undefined) continue;
    isReported = true;
    if (last?.waits === undefined || last.startedAtMs !== heartbeat.startedAtMs) continue;
    for (const [index, count] of waits.entries()) {
      const grown = count - (last.waits[index] ?? 0);
      if (grown <= 0) continue;
      jobs += grown;
      within += grown * shareWithin(index, withinSeconds);
    }
  }
  return isReported && jobs <= mostJobs ? { jobs, within, estimated: 0 } : undefined;
}

/** Share of a bucket that is within the bound, as if its waits were spread evenly. */
function shareWithin(index: number, withinSeconds: number): number {
  const from = waitBoundsSeconds[index - 1] ?? 0;
  const to = waitBoundsSeconds[index] ?? Infinity;
  if (withinSeconds >= to) return 1;
  return to === Infinity ? 0 : Math.max(0, (withinSeconds - from) / (to - from));
}

/**
 * @param queue.perSecond jobs that are completed, or could be.
 * @param queue.oldestSeconds how long something has been waiting already.
 */
export function estimatedWaits(
  arrived: number,
  queue: { readonly messages: number; readonly perSecond: number; readonly oldestSeconds: number },
  withinSeconds: number,
): WaitsStep {
  const waitSeconds =
    queue.messages === 0 ? 0 : queue.perSecond > 0 ? queue.messages / queue.perSecond : queue.oldestSeconds;
  return { jobs: arrived, within: waitSeconds <= withinSeconds ? arrived : 0, estimated: arrived };
}

/** @param objectiveShare of the jobs that should begin in time, 0 to 1. */
export function serviceLevel(
  waits: readonly Waits[],
  objectiveShare: number,
  withinSeconds: number,
  atMs: number,
): Known<ServiceLevel> {
  let [jobs, within, estimated] = [0, 0, 0];
  for (const part of waits.flatMap(({ parts }) => parts)) {
    jobs += part.jobs;
    within += part.within;
    estimated += part.estimated;
  }
  if (jobs === 0) return unknown('no job has been counted yet');
  const withinShare = Math.min(1, within / jobs);
  const budget = 1 - objectiveShare;
  return known(
    {
      withinSeconds,
      objectiveShare,
      jobs,
      withinShare,
      budgetLeft: Math.max(0, 1 - (1 - withinShare) / budget),
      basis: estimated === 0 ? 'heartbeats' : 'estimate',
    },
    atMs,
  );
}
