import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import { secondsToMs } from '#common/units.ts';
import type { Signals, SourceSignals, WorkloadSignals } from '../measure/signals.ts';
import { stabilizationWindows } from './behavior.ts';
import { sourceDemand, sumDemand } from './demand.ts';
import type { Demand } from './demand.ts';
import type { Stage } from './stage.ts';
import type { Memory } from './memory.ts';
import type { Windows } from './stabilization.ts';

/** Everything the rules look at, put together once per decision. */
export type Situation = {
  readonly spec: WorkerPoolSpec;
  readonly signals: Signals;
  readonly workload: Extract<WorkloadSignals, { kind: 'seen' }>;
  readonly memory: Memory;
  readonly nowMs: number;
  /** Replicas that the workload asks for now. */
  readonly current: number;
  readonly sightings: readonly Sighting[];
  readonly demand: Demand;
  /** No source has had any work for `zero.idleSeconds`, all of them seen in this pass. */
  readonly isIdle: boolean;
  readonly startMs: number;
  readonly windows: Windows;
  /** What never fewer replicas than this are wanted for. */
  readonly floor: Floor;
  /** The pools that this one feeds. */
  readonly stages: readonly Stage[];
};

/** What a schedule asks for now. Calendars are read outside: decide knows no dates. */
export type ScheduledFloor = {
  readonly name: string;
  readonly replicas: number;
  /** Monotonic time until which that holds at least; it may be infinite. */
  readonly untilMs: number;
};

type Floor = {
  readonly replicas: number;
  /** The schedule that raises it above minReplicas. */
  readonly schedule: ScheduledFloor | undefined;
};

/**
 * How far a source's signals can be trusted.
 * - `current`: seen in this pass.
 * - `recent`: missed by this pass, but so lately seen that its figures still count.
 * - `lost`: not seen for too long, or never; its figures do not count.
 * - `absent`: the consumer does not exist.
 */
type Sighting = 'current' | 'recent' | 'lost' | 'absent';

/** A handful of missed passes: long enough for a leader election, short against any drain objective. */
const staleAfterMs = 5_000;
/** An idle time is told from the pause between two jobs by at least this. */
const shortestIdleMs = 5_000;

export function situate(
  input: {
    readonly spec: WorkerPoolSpec;
    readonly signals: Signals;
    readonly nowMs: number;
    readonly schedule?: ScheduledFloor | undefined;
    readonly stages?: readonly Stage[];
  },
  workload: Situation['workload'],
  memory: Memory,
  current: number,
): Situation {
  const { spec, signals, nowMs } = input;
  const startMs =
    signals.startMs.kind === 'known' ? signals.startMs.value : secondsToMs(spec.prior.startSeconds);
  const sightings = signals.sources.map((source) => sighting(source, nowMs));
  const isIdle = signals.sources.every(
    (source, index) => sightings[index] === 'current' && isSourceIdle(source, spec, nowMs),
  );
  const demands = signals.sources.map((source, index) => {
    const counts = sightings[index] === 'current' || sightings[index] === 'recent';
    return counts && !isIdle ? sourceDemand(source, spec.objective, startMs) : undefined;
  });
  return {
    spec,
    signals,
    workload,
    memory,
    nowMs,
    current,
    sightings,
    demand: sumDemand(demands),
    isIdle,
    startMs,
    windows: stabilizationWindows(spec.behavior, startMs),
    floor: floorOf(spec, input.schedule),
    stages: input.stages ?? [],
  };
}

function floorOf({ minReplicas, maxReplicas }: WorkerPoolSpec, schedule: ScheduledFloor | undefined): Floor {
  const scheduled = Math.min(schedule?.replicas ?? 0, maxReplicas);
  return scheduled > minReplicas
    ? { replicas: scheduled, schedule }
    : { replicas: minReplicas, schedule: undefined };
}

function sighting({ presence, backlogMessages }: SourceSignals, nowMs: number): Sighting {
  if (presence.kind === 'absent') return 'absent';
  if (backlogMessages.kind === 'unknown' || nowMs - backlogMessages.atMs > staleAfterMs) return 'lost';
  return presence.kind === 'seen' ? 'current' : 'recent';
}

/** How long a pool must have had no work to be idle. */
export const idleMs = ({ zero }: WorkerPoolSpec): number =>
  Math.max(secondsToMs(zero.idleSeconds), shortestIdleMs);

function isSourceIdle(source: SourceSignals, spec: WorkerPoolSpec, nowMs: number): boolean {
  const { backlogMessages, lastWorkMs } = source;
  if (backlogMessages.kind === 'unknown' || lastWorkMs.kind === 'unknown') return false;
  return backlogMessages.value === 0 && nowMs - lastWorkMs.value >= idleMs(spec);
}
