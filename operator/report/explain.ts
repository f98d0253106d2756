import { msToSeconds } from '#common/units.ts';
import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import { known } from '../measure/signals.ts';
import type { Known, ServiceLevel, Signals, SourceSignals } from '../measure/signals.ts';

/** A decision as a running operator or a record has it. */
export type ExplainedDecision = {
  readonly kind: 'hold' | 'scale';
  readonly from: number | undefined;
  readonly to: number | undefined;
  readonly recommended: number | undefined;
  readonly reason: string;
  readonly message: string;
  readonly limitedBy: readonly {
    readonly reason: string;
    readonly replicas: number;
    readonly message: string;
    readonly untilMs?: number | undefined;
  }[];
  readonly diagnosis: readonly {
    readonly type: string;
    readonly status: 'True' | 'False' | 'Unknown';
    readonly reason: string;
    readonly message: string;
    readonly remedies?: readonly { readonly change: string; readonly to: number }[] | undefined;
    readonly contributing?: readonly string[] | undefined;
  }[];
};

/** Why a pool has the replicas it has, as `penstock explain --json` prints it. What is not known is null, never 0. */
export type Explanation = {
  /** Of the pass, ISO 8601. */
  readonly time: string;
  readonly pool: string;
  readonly decision: Pick<ExplainedDecision, 'kind' | 'reason' | 'message'> & {
    readonly from: number | null;
    readonly to: number | null;
  };
  readonly objective: {
    readonly reachable: 'True' | 'False' | 'Unknown';
    /** The primary cause, if it cannot be reached. */
    readonly reason: string;
    readonly message: string;
    /** Causes beside it. */
    readonly contributing: readonly string[];
    readonly remedies: readonly { readonly change: string; readonly to: number }[];
  } | null;
  /** How many of the jobs of the last hour began in time; null before any was counted. */
  readonly serviceLevel: ServiceLevel | null;
  /** What the demand alone asks for, and each rule that changed it, in their order. */
  readonly rules: {
    readonly recommended: number | null;
    readonly changes: readonly {
      readonly reason: string;
      readonly replicas: number;
      readonly message: string;
      /** When the rule lets go by itself, if it is a matter of time. */
      readonly endsInSeconds: number | null;
    }[];
  };
  /** Conditions that stand beside the objective. */
  readonly conditions: readonly Pick<
    ExplainedDecision['diagnosis'][number],
    'type' | 'status' | 'reason' | 'message'
  >[];
  readonly figures: readonly FigureGroup[];
};

type FigureGroup = { readonly of: string; readonly figures: readonly Figure[] };

export type Figure = {
  readonly name: string;
  readonly value: number | string | null;
  readonly unit: string;
  /** Since the facts behind it were seen. */
  readonly ageSeconds: number | null;
  /** Why it is not known; null when it is. */
  readonly unknown: string | null;
};

/** @param time of the pass, ISO 8601. */
export function explain(
  pool: { readonly key: string; readonly spec: WorkerPoolSpec },
  signals: Signals,
  decision: ExplainedDecision,
  time: string,
): Explanation {
  const { kind, from = null, to = null, reason, message, diagnosis } = decision;
  const outlook = diagnosis.find(({ type }) => type === 'ObjectiveReachable');
  return {
    time,
    pool: pool.key,
    decision: { kind, from, to, reason, message },
    objective:
      outlook === undefined
        ? null
        : {
            reachable: outlook.status,
            reason: outlook.reason,
            message: outlook.message,
            contributing: outlook.contributing ?? [],
            remedies: outlook.remedies ?? [],
          },
    serviceLevel: signals.serviceLevel.kind === 'known' ? signals.serviceLevel.value : null,
    rules: {
      recommended: decision.recommended ?? null,
      changes: decision.limitedBy.map(({ untilMs, ...rule }) => ({
        reason: rule.reason,
        replicas: rule.replicas,
        message: rule.message,
        endsInSeconds:
          untilMs === undefined || untilMs <= signals.atMs ? null : msToSeconds(untilMs - signals.atMs),
      })),
    },
    conditions: diagnosis
      .filter(({ type }) => type !== 'ObjectiveReachable')
      .map((condition) => ({
        type: condition.type,
        status: condition.status,
        reason: condition.reason,
        message: condition.message,
      })),
    figures: [
      { of: 'pool', figures: poolFigures(signals) },
      ...signals.sources.map((source, index) => ({
        of: nameOf(pool.spec, index),
        figures: sourceFigures.map(([name, unit, read]) =>
          toFigure(name, unit, read(source, signals.atMs), signals.atMs),
        ),
      })),
    ],
  };
}

type Reading = Known<number | string>;

/** What is told of each source, in this order. */
const sourceFigures: readonly (readonly [
  name: string,
  unit: string,
  read: (source: SourceSignals, atMs: number) => Reading,
])[] = [
  ['pending', 'messages', ({ pendingMessages }) => pendingMessages],
  ['ack-pending', 'messages', ({ ackPendingMessages }) => ackPendingMessages],
  ['queued', 'messages', ({ queuedMessages }) => queuedMessages],
  ['running', 'jobs', ({ runningJobs }) => runningJobs],
  ['longest run', 'ms', ({ oldestRunningMs }) => oldestRunningMs],
  ['arrivals, 30 s', 'jobs/s', ({ arrivalsPerSecond }) => arrivalsPerSecond],
  ['arrivals, 5 min', 'jobs/s', ({ arrivalsLongPerSecond }) => arrivalsLongPerSecond],
  ['arrivals, planned', 'jobs/s', ({ plannedArrivalsPerSecond }) => plannedArrivalsPerSecond],
  ['completions, 30 s', 'jobs/s', ({ completionsPerSecond }) => completionsPerSecond],
  ['capacity of a replica', 'jobs/s', ({ capacity }, atMs) => known(capacity.jobsPerSecond, atMs)],
  ['… known from', '', ({ capacity }, atMs) => known(capacity.basis, atMs)],
  ['slots of a replica', 'jobs', ({ capacity }, atMs) => known(capacity.slots, atMs)],
  ['service time', 'ms', ({ capacity }) => capacity.serviceMs],
  ['run time, 95 %', 'ms', ({ serviceP95Ms }) => serviceP95Ms],
  ['variability of run times, CV²', '', ({ serviceVariability }) => serviceVariability],
  ['attempts per success', '', ({ attemptsPerSuccess }) => attemptsPerSuccess],
  ['repeated deliveries', '', ({ repeatedShare }) => repeatedShare],
  ['max_ack_pending', 'messages', ({ maxAckPending }) => maxAckPending],
  ['ack wait', 'ms', ({ ackWaitMs }) => ackWaitMs],
  ['open pulls', '', ({ openPulls }) => openPulls],
  ['redelivered now', 'messages', ({ redeliveredMessages }) => redeliveredMessages],
  ['a stream that grows', '', ({ overflow }) => overflow],
];

function poolFigures({ workload, utilization, startMs, atMs }: Signals): readonly Figure[] {
  const replicas = ['desired', 'ready', 'starting', 'terminating', 'failing', 'unschedulable'] as const;
  return [
    ...replicas.map((state) =>
      toFigure(
        state,
        'replicas',
        workload.kind === 'seen'
          ? known(workload[state], atMs)
          : { kind: 'unknown', reason: workload.message },
        atMs,
      ),
    ),
    toFigure('utilization', '', utilization, atMs),
    toFigure('start of a replica', 'ms', startMs, atMs),
  ];
}

function toFigure(name: string, unit: string, reading: Reading, atMs: number): Figure {
  if (reading.kind === 'unknown') {
    return { name, value: null, unit, ageSeconds: null, unknown: reading.reason };
  }
  return {
    name,
    value: reading.value,
    unit,
    ageSeconds: msToSeconds(Math.max(0, atMs - reading.atMs)),
    unknown: null,
  };
}

function nameOf({ sources }: WorkerPoolSpec, index: number): string {
  const source = sources[index];
  return source === undefined ? `source ${index}` : `consumer ${source.consumer} of stream ${source.stream}`;
}
