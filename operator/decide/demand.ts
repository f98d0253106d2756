import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import { msToSeconds } from '#common/units.ts';
import { slotsForWait } from './staffing.ts';
import type { Known, SourceSignals } from '../measure/signals.ts';

/** Replicas that one source needs, as fractions: they are added over the sources before rounding. */
export type SourceDemand = {
  /** For arrivals at the planned utilization. */
  readonly arrivals: number;
  /** The same at the lower utilization that a scale-down must leave. */
  readonly relaxedArrivals: number;
  /** Beside those, to work the backlog off within the objective. */
  readonly backlog: number;
  /** To hold every job that runs or could run now. */
  readonly occupied: number;
};

export type Demand = {
  /** By source; undefined for a source that is not to be counted. */
  readonly sources: readonly (SourceDemand | undefined)[];
  /** n*: what arrivals and backlog ask for. */
  readonly replicas: number;
  /** The same with the lower utilization: fewer than these would soon be wanted back. */
  readonly relaxedReplicas: number;
  /** Replicas that have a job to run now. */
  readonly occupiedReplicas: number;
};

type Objective = WorkerPoolSpec['objective'];

/** Points between the planned utilization and the one that a scale-down must leave. */
const hysteresisPercent = 10;
const lowestUtilizationPercent = 5;
/** However slowly replicas start, a backlog is not spread over less than this share of the objective. */
const shortestDrainShare = 1 / 4;

/**
 * Replicas that one source needs:
 *
 *     max( λ / (c·u)  +  B / (T·c),  B / (T'·c) )      T' = max(T − d, T/4)
 *
 * λ planned arrivals per second, c jobs per second of one replica, u utilization, B messages that wait for a slot, T
 * drain objective, d start time. The utilization applies to steady arrivals only: a backlog may keep every replica busy.
 * What piled up until now came with the arrivals that are planned on, whose replicas have time for it when they fall; a
 * backlog alone has only what a start leaves of T (docs/adr/0049-planned-close-to-the-load.md). What will still arrive
 * until new replicas are ready counts once it is there: counted in advance, it asked slow starters for replicas that came
 * too late (docs/adr/0025-slow-starts-plan-by-longer-windows.md). With a bound on the wait the first term is at least
 * what a queueing model asks for. A rate that is not known adds nothing, and then a caller must not scale down.
 *
 * @param startMs time from a new replica to its first job.
 */
export function sourceDemand(source: SourceSignals, objective: Objective, startMs: number): SourceDemand {
  const { jobsPerSecond, slots } = source.capacity;
  const { utilizationPercent, drainSeconds } = objective;
  const relaxedPercent = Math.max(utilizationPercent - hysteresisPercent, lowestUtilizationPercent);
  const startSeconds = msToSeconds(startMs);
  const queued = valueOr(source.queuedMessages, 0);
  const afterStartSeconds = Math.max(drainSeconds - startSeconds, drainSeconds * shortestDrainShare);
  const drainWithin = (seconds: number): number => queued / (seconds * jobsPerSecond);
  const plannedPerSecond = valueOr(source.plannedArrivalsPerSecond, 0);
  const planned = plannedPerSecond / jobsPerSecond;
  const relaxation = utilizationPercent / relaxedPercent;
  const arrivals = Math.max(
    planned / (utilizationPercent / 100),
    replicasForWait(source, objective, plannedPerSecond),
  );
  return {
    arrivals,
    relaxedArrivals: Math.max(
      planned / (relaxedPercent / 100),
      replicasForWait(source, objective, plannedPerSecond * relaxation),
    ),
    backlog: Math.max(drainWithin(drainSeconds), drainWithin(afterStartSeconds) - arrivals),
    occupied: (queued + valueOr(source.runningJobs, 0)) / slots,
  };
}

/** Where nothing else is known, run times are taken to be exponential. */
const usualVariability = 1;

/** Replicas, as a fraction, whose slots keep the bound on the wait; 0 without one. */
function replicasForWait(
  { capacity: { jobsPerSecond, slots }, serviceVariability }: SourceSignals,
  { wait }: Objective,
  arrivalsPerSecond: number,
): number {
  if (wait === undefined) return 0;
  const needed = slotsForWait({
    arrivalsPerSecond,
    serviceSeconds: slots / jobsPerSecond,
    variability: valueOr(serviceVariability, usualVariability),
    waitSeconds: wait.seconds,
    lateShare: 1 - wait.percentile / 100,
  });
  return needed / slots;
}

/** Adds the sources up and rounds. */
export function sumDemand(sources: readonly (SourceDemand | undefined)[]): Demand {
  const sum = { arrivals: 0, relaxedArrivals: 0, backlog: 0, occupied: 0 };
  for (const source of sources) {
    if (source === undefined) continue;
    sum.arrivals += source.arrivals;
    sum.relaxedArrivals += source.relaxedArrivals;
    sum.backlog += source.backlog;
    sum.occupied += source.occupied;
  }
  return {
    sources,
    replicas: wholeReplicas(sum.arrivals + sum.backlog),
    relaxedReplicas: wholeReplicas(sum.relaxedArrivals + sum.backlog),
    occupiedReplicas: wholeReplicas(sum.occupied),
  };
}

/** More than any policy's maxReplicas: keeps absurd inputs finite. */
const mostReplicas = 1_000_000;

/** Rounds up, forgiving what floating point adds to a whole number. */
export const wholeReplicas = (fraction: number): number =>
  Math.min(mostReplicas, Math.max(0, Math.ceil(fraction - 1e-9)));

const valueOr = (signal: Known, otherwise: number): number =>
  signal.kind === 'known' ? signal.value : otherwise;
