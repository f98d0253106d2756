import { msToSeconds } from '#common/units.ts';
import type { Decision, Diagnosis } from '../decide/decision.ts';
import type { Signals } from '../measure/signals.ts';
import type { Pool, ScaleOutcome } from '../platform/platform.ts';

/**
 * One line of `penstock local --json`, and what the terminal view, the recorder and the status are made of. A
 * figure that is not known is null, never 0.
 */
export type PassReport = {
  /** ISO 8601, UTC. */
  readonly time: string;
  /** namespace/name */
  readonly pool: string;
  readonly replicas: {
    readonly desired: number | null;
    readonly ready: number | null;
    readonly starting: number | null;
    readonly terminating: number | null;
    /** Failing, or without room to start. */
    readonly failing: number | null;
  };
  readonly signals: {
    /** Messages not yet resolved: pending + ack-pending. */
    readonly backlogMessages: number | null;
    readonly arrivalsPerSecond: number | null;
    readonly completionsPerSecond: number | null;
    /** Share of open slots that run a job, 0 to 1. */
    readonly utilization: number | null;
    readonly serviceSeconds: number | null;
    /** Jobs per second that one replica can complete. */
    readonly capacityPerReplica: number | null;
    readonly startSeconds: number | null;
    /** Share of the jobs of the last hour that began within the objective, 0 to 1. */
    readonly withinShare: number | null;
    /** What is left of the share that may be late, 0 to 1. */
    readonly budgetLeft: number | null;
  };
  readonly decision: {
    readonly kind: 'hold' | 'scale';
    readonly from: number | null;
    readonly to: number | null;
    /** What the demand alone asks for, before limits. */
    readonly recommended: number | null;
    /** One stable word, e.g. `ArrivalsGrew`. */
    readonly reason: string;
    /** One sentence for a person. */
    readonly message: string;
    /** Reasons of the rules that changed the answer, in their order. */
    readonly limitedBy: readonly string[];
  };
  /** What was written: null when nothing was to be written. */
  readonly outcome: { readonly kind: 'scaled' | 'conflict' | 'failed'; readonly message: string } | null;
  readonly conditions: readonly {
    readonly type: string;
    readonly status: 'True' | 'False' | 'Unknown';
    readonly reason: string;
    readonly message: string;
  }[];
};

export type PassTimes = {
  /** Duration, milliseconds. */
  readonly passMs: number;
  /** From when it was due to its start, milliseconds. */
  readonly latenessMs: number;
};

export function reportPass(
  pool: Pool,
  signals: Signals,
  decision: Decision,
  outcome: ScaleOutcome | undefined,
  wallMs: number,
): PassReport {
  const { workload } = signals;
  const { evidence, diagnosis } = decision;
  const isSeen = workload.kind === 'seen';
  return {
    time: new Date(wallMs).toISOString(),
    pool: pool.key,
    replicas: {
      desired: isSeen ? workload.desired : null,
      ready: isSeen ? workload.ready : null,
      starting: isSeen ? workload.starting : null,
      terminating: isSeen ? workload.terminating : null,
      failing: isSeen ? workload.failing + workload.unschedulable : null,
    },
    signals: {
      backlogMessages: evidence.backlogMessages,
      arrivalsPerSecond: evidence.arrivalsPerSecond,
      completionsPerSecond: evidence.completionsPerSecond,
      utilization: evidence.utilization,
      serviceSeconds: inSeconds(evidence.serviceMs),
      capacityPerReplica: evidence.capacityPerReplica,
      startSeconds: inSeconds(evidence.startMs),
      withinShare: evidence.withinShare,
      budgetLeft: evidence.budgetLeft,
    },
    decision: {
      kind: decision.kind,
      from: decision.from ?? null,
      to: decision.to ?? null,
      recommended: decision.recommended ?? null,
      reason: decision.reason,
      message: decision.message,
      limitedBy: decision.limitedBy.map(({ reason }) => reason),
    },
    outcome: outcome ?? null,
    conditions: [
      readiness(diagnosis),
      ...diagnosis.map(({ type, status, reason, message }) => ({ type, status, reason, message })),
    ],
  };
}

/** The summary: whether the pool can do its work, and the first thing that stands in its way. */
function readiness(diagnosis: readonly Diagnosis[]): PassReport['conditions'][number] {
  const obstacle = diagnosis.find(
    ({ type, status }) => status !== 'True' && (type === 'TargetAvailable' || type === 'SourceAvailable'),
  );
  if (obstacle === undefined) {
    return { type: 'Ready', status: 'True', reason: 'Ready', message: 'sources and target are seen' };
  }
  return { type: 'Ready', status: 'False', reason: obstacle.reason, message: obstacle.message };
}

const inSeconds = (ms: number | null): number | null => (ms === null ? null : msToSeconds(ms));
