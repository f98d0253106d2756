import type { Clock } from '#common/clock.ts';
import { msToSeconds } from '#common/units.ts';
import type { PoolReport } from './poolReport.ts';

export type Phase = 'replaying' | 'draining';

/** What a view shows once a second. */
export type Snapshot = {
  readonly phase: Phase;
  readonly elapsedSeconds: number;
  readonly published: number;
  readonly completed: number;
  /** Counted, not estimated: since the snapshot before. */
  readonly arrivalsPerSecond: number;
  readonly completionsPerSecond: number;
  /** The operator's latest report; undefined before its first pass. */
  readonly report: PoolReport | undefined;
  /** One value per snapshot, the latest last; null where the operator did not know. */
  readonly backlogHistory: readonly (number | null)[];
  readonly replicaHistory: readonly (number | null)[];
};

export type Counts = Pick<Snapshot, 'phase' | 'published' | 'completed' | 'report'>;

/** Turns counts into snapshots, each with the rates since the one before and the history up to it. */
export function createProgress(clock: Clock): (counts: Counts) => Snapshot {
  const startedAtMs = clock.monotonicMs();
  const backlogHistory: (number | null)[] = [];
  const replicaHistory: (number | null)[] = [];
  let previous = { atMs: startedAtMs, published: 0, completed: 0 };
  return (counts) => {
    const atMs = clock.monotonicMs();
    const perSecond = (grown: number): number =>
      Math.round(grown / Math.max(0.001, msToSeconds(atMs - previous.atMs)));
    backlogHistory.push(counts.report?.signals.backlogMessages ?? null);
    replicaHistory.push(counts.report?.replicas.ready ?? null);
    const snapshot: Snapshot = {
      ...counts,
      elapsedSeconds: msToSeconds(atMs - startedAtMs),
      arrivalsPerSecond: perSecond(counts.published - previous.published),
      completionsPerSecond: perSecond(counts.completed - previous.completed),
      backlogHistory,
      replicaHistory,
    };
    previous = { atMs, published: counts.published, completed: counts.completed };
    return snapshot;
  };
}
