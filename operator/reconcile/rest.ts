import type { Decision, LimitReason } from '../decide/decision.ts';
import type { ConsumerFacts, Observation, Seen, SourceObservation } from '../observe/observation.ts';
import type { Known } from '../measure/signals.ts';
import type { PassDetails } from './pass.ts';

/**
 * A pool at rest: nothing waits, nothing moves, and the last two passes said the same. It is not decided upon again
 * until something is seen to have changed, or the time is over. What a wake must not cost is precision: the pool is
 * first brought up to the last moment at which all was still as it was (`catchUp` in pass.ts), so that rates and windows
 * are those of a pool that was looked at all the time.
 */
export type Rest = {
  /** What the last pass saw. */
  readonly observation: Observation;
  /** Looks since then that found all as it was. One object for all of them: a pool is looked at every second. */
  readonly still: Still;
  /** The next pass is due then whatever is seen. */
  readonly untilMs: number;
  /** See `Platform.stillness`. */
  readonly workload: object;
};

type Still = {
  /** Of the last one; undefined when there was none. */
  atMs: number | undefined;
  /** What it saw, in the order of the sources. */
  readonly consumers: Seen<ConsumerFacts>[];
};

/** What a decision came to. */
export type Saying = Pick<Decision, 'message' | 'recommended'>;

/** Limits that hold the replicas of a pool without work for ever, whatever those before them say. */
const timeless: ReadonlySet<string> = new Set<LimitReason>([
  'BelowActivation',
  'MinReplicas',
  'MaxReplicas',
  'DryRun',
  'ScaleUpOnly',
]);

/** Whether a pool may rest after this pass, with the one before it. */
export function isAtRest(
  { pool, signals, decision, outcome }: PassDetails,
  before: Saying | undefined,
): boolean {
  const { workload } = signals;
  // A schedule begins without anything to be seen.
  if (pool.spec.schedules.length > 0) return false;
  if (decision.ackPending.length > 0) return false;
  if (decision.kind !== 'hold' || outcome !== undefined || workload.kind !== 'seen') return false;
  if (workload.starting + workload.terminating + workload.failing + workload.unschedulable > 0) return false;
  if (before?.message !== decision.message || before.recommended !== decision.recommended) return false;
  const lastLimit = decision.limitedBy.at(-1);
  if (lastLimit !== undefined && !timeless.has(lastLimit.reason)) return false;
  return signals.sources.every(
    ({ presence, backlogMessages, arrivalsPerSecond, completionsPerSecond }) =>
      presence.kind === 'seen' &&
      isZero(backlogMessages) &&
      isZero(arrivalsPerSecond) &&
      isZero(completionsPerSecond),
  );
}

/** The end of a pass after which a pool may rest. */
export function restAfter(observation: Observation, untilMs: number, workload: object): Rest {
  return { observation, still: { atMs: undefined, consumers: [] }, untilMs, workload };
}

/** Whether a source of a resting pool is as it was: nobody is heard who could work, and the consumer is the same. */
export function isStill(
  before: SourceObservation | undefined,
  after: Seen<ConsumerFacts>,
  isHeard: boolean,
): boolean {
  if (before === undefined || isHeard || before.heartbeats.length > 0) return false;
  const { consumer } = before;
  return consumer.kind === 'seen' && after.kind === 'seen' && isSameState(consumer.value, after.value);
}

/** What was seen at the last still look; undefined when there was none. */
export function lastStill({ observation, still: { atMs, consumers } }: Rest): Observation | undefined {
  if (atMs === undefined) return undefined;
  return { ...observation, atMs, sources: consumers.map((consumer) => ({ consumer, heartbeats: [] })) };
}

/** All but the server's time; of the stream only what says something about the consumer. */
function isSameState(before: ConsumerFacts, after: ConsumerFacts): boolean {
  return (
    before.createdMs === after.createdMs &&
    before.leader === after.leader &&
    before.paused === after.paused &&
    before.filtered === after.filtered &&
    before.pending === after.pending &&
    before.ackPending === after.ackPending &&
    before.redelivered === after.redelivered &&
    before.waiting === after.waiting &&
    before.deliveredConsumerSeq === after.deliveredConsumerSeq &&
    before.ackFloorStreamSeq === after.ackFloorStreamSeq &&
    before.maxAckPending === after.maxAckPending &&
    before.owner === after.owner &&
    before.ackWaitMs === after.ackWaitMs &&
    before.maxDeliver === after.maxDeliver &&
    before.stream?.createdMs === after.stream?.createdMs &&
    (after.filtered || before.stream?.lastSeq === after.stream?.lastSeq)
  );
}

const isZero = (figure: Known): boolean => figure.kind === 'known' && figure.value === 0;
