import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import { decide } from '../../operator/decide/decide.ts';
import type { Decided } from '../../operator/decide/decide.ts';
import type { Decision } from '../../operator/decide/decision.ts';
import { initialMemory, recordScale } from '../../operator/decide/memory.ts';
import type { Memory } from '../../operator/decide/memory.ts';
import { known } from '../../operator/measure/signals.ts';
import type { Signals, SourceSignals } from '../../operator/measure/signals.ts';
import { signals, sourceSignals, workloadSignals } from './signals.ts';
import { specAt80 } from './spec.ts';

/** The time at which these decisions are made. */
export const nowMs = 1_000_000;

export type Load = {
  /** Jobs per second, arriving and completing. */
  readonly arrivals?: number;
  readonly queued?: number;
  readonly running?: number;
  readonly lastWorkSecondsAgo?: number;
};

/** A source as it is at `nowMs`. */
export function load({ arrivals = 0, queued = 0, running = 0, lastWorkSecondsAgo = 0 }: Load): SourceSignals {
  return sourceSignals(
    {
      arrivalsPerSecond: known(arrivals, nowMs),
      plannedArrivalsPerSecond: known(arrivals, nowMs),
      completionsPerSecond: known(arrivals, nowMs),
      arrivalsBriefPerSecond: known(arrivals, nowMs),
      completionsBriefPerSecond: known(arrivals, nowMs),
      pendingMessages: known(queued, nowMs),
      ackPendingMessages: known(running, nowMs),
      backlogMessages: known(queued + running, nowMs),
      queuedMessages: known(queued, nowMs),
      runningJobs: known(running, nowMs),
      lastWorkMs: known(nowMs - lastWorkSecondsAgo * 1_000, nowMs),
    },
    nowMs,
  );
}

export const idle = load({ lastWorkSecondsAgo: 60 });

/** A pool with so many ready replicas. */
export const pool = (current: number, ...sources: readonly SourceSignals[]): Signals =>
  signals({ atMs: nowMs, sources, workload: workloadSignals({ desired: current }) });

/** No windows and no step limits, so that only the rule in question shows. */
export const atOnce = {
  scaleDown: {
    stabilizationWindowSeconds: 0,
    policies: [{ type: 'Percent' as const, value: 100, periodSeconds: 1 }],
  },
};

/** Decides in the middle of an operator's life: the present size was set by us, long ago. */
export function decideFor(
  given: Signals,
  policy: WorkerPoolSpec = specAt80({ behavior: atOnce }),
  memory = settled(given),
): Decided {
  return decide({ spec: policy, signals: given, memory, nowMs });
}

/** A memory that has written the present size, long ago, and remembers no recommendation. */
export function settled({ workload }: Signals): Memory {
  if (workload.kind !== 'seen') return initialMemory(0);
  const written = recordScale(initialMemory(0), { from: 1, to: workload.desired, atMs: 1 });
  return { ...written, recommendations: { isEmpty: false, highs: [], lows: [] } };
}

export function summary({ kind, from, to, reason }: Decision): object {
  return { kind, from, to, reason };
}
