import { longestMessage, mostConditions } from '#crds/worker-pool-status.ts';
import type { Condition, WorkerPoolStatus } from '#crds/worker-pool-status.ts';
import type { PassReport } from '../../report/passReport.ts';
import type { PoolResource } from './resources.ts';
import type { Refusal } from './kubernetes.ts';

/**
 * The status that a pass leads to. Fast figures keep two digits, so that noise is no change; what is not known is left
 * out, never 0.
 */
export function statusOf(
  report: PassReport,
  pool: PoolResource,
  before: readonly Condition[],
): WorkerPoolStatus {
  const { replicas, signals, decision, outcome } = report;
  const { desired, ready, starting, failing } = replicas;
  const hasScaled = outcome?.kind === 'scaled' && decision.from !== null && decision.to !== null;
  return {
    observedGeneration: pool.generation,
    ...known('replicas', ready === null ? null : ready + (starting ?? 0) + (failing ?? 0)),
    ...known('readyReplicas', ready),
    ...known('desiredReplicas', hasScaled ? decision.to : desired),
    ...known('recommendedReplicas', decision.recommended),
    ...known(
      'backlogMessages',
      signals.backlogMessages === null ? null : Number(signals.backlogMessages.toPrecision(2)),
    ),
    ...known('arrivalsPerSecond', rate(signals.arrivalsPerSecond)),
    ...known('completionsPerSecond', rate(signals.completionsPerSecond)),
    ...known('capacityPerReplica', rate(signals.capacityPerReplica)),
    reason: decision.reason,
    message: decision.message.slice(0, longestMessage),
    ...(hasScaled
      ? { lastScale: { time: report.time, from: decision.from, to: decision.to, reason: decision.reason } }
      : {}),
    conditions: carryTimes(report.conditions, before, pool.generation, report.time),
  };
}

/** The status of a pool that is not worked on. */
export function statusOfRefusal(
  { pool, reason, message }: Refusal,
  before: readonly Condition[],
  time: string,
): WorkerPoolStatus {
  const conditions = [{ type: 'Ready', status: 'False' as const, reason, message }];
  return {
    observedGeneration: pool.generation,
    reason,
    message: message.slice(0, longestMessage),
    conditions: carryTimes(conditions, before, pool.generation, time),
  };
}

/** What the first look after a start tells as well as any later one. */
export function stateOf(status: WorkerPoolStatus): string {
  const { observedGeneration, replicas, readyReplicas, desiredReplicas, lastScale, conditions } = status;
  const ready = conditions?.find(({ type }) => type === 'Ready');
  return JSON.stringify([
    observedGeneration,
    replicas,
    readyReplicas,
    desiredReplicas,
    lastScale?.time,
    ready?.status,
    ready?.reason,
  ]);
}

/** Takes the figures of an earlier status away: what is not known any more must not stay as it was. */
export const noFigures = {
  replicas: null,
  readyReplicas: null,
  recommendedReplicas: null,
  backlogMessages: null,
  arrivalsPerSecond: null,
  completionsPerSecond: null,
  capacityPerReplica: null,
} as const satisfies Partial<Record<keyof WorkerPoolStatus, null>>;

/** What must be written at once when it changes. */
export function storyOf(status: WorkerPoolStatus): string {
  const { observedGeneration, replicas, readyReplicas, desiredReplicas, reason, lastScale, conditions } =
    status;
  // A figure that becomes known, or is no longer, is news; another value is not.
  const known = [status.backlogMessages, status.arrivalsPerSecond, status.completionsPerSecond].map(
    (figure) => figure !== undefined,
  );
  const said = conditions?.map((condition) => [condition.type, condition.status, condition.reason]);
  return JSON.stringify([
    observedGeneration,
    replicas,
    readyReplicas,
    desiredReplicas,
    reason,
    lastScale?.to,
    said,
    known,
  ]);
}

/** What may wait a little: figures, and the words of conditions, which may hold some. */
export function figuresOf(status: WorkerPoolStatus): string {
  const { backlogMessages, arrivalsPerSecond, completionsPerSecond, capacityPerReplica } = status;
  return JSON.stringify([
    backlogMessages,
    arrivalsPerSecond,
    completionsPerSecond,
    capacityPerReplica,
    status.recommendedReplicas,
    status.conditions?.map(({ message }) => message),
  ]);
}

function carryTimes(
  conditions: PassReport['conditions'],
  before: readonly Condition[],
  generation: number,
  time: string,
): Condition[] {
  return conditions.slice(0, mostConditions).map((condition) => {
    const last = before.find(({ type }) => type === condition.type);
    return {
      ...condition,
      message: condition.message.slice(0, longestMessage),
      lastTransitionTime: last?.status === condition.status ? last.lastTransitionTime : time,
      observedGeneration: generation,
    };
  });
}

function known<K extends string, V>(name: K, value: V | null): Partial<Record<K, V>> {
  return value === null ? {} : ({ [name]: value } as Partial<Record<K, V>>); // A computed key loses its type.
}

function rate(perSecond: number | null): string | null {
  if (perSecond === null) return null;
  const rounded = Number(perSecond.toPrecision(2));
  return rounded < 0.001 ? '0' : rounded.toFixed(Math.max(0, 1 - Math.floor(Math.log10(rounded))));
}
