import { msToSeconds } from '#common/units.ts';
import type { ConsumerFacts, SourceObservation } from '../observe/observation.ts';
import { addBackloggedStep, assumedPerSecond, capacity, seeCompletions } from './capacity.ts';
import type { Prior } from './capacity.ts';
import { arrivals, continuity } from './continuity.ts';
import type { Reading } from './continuity.ts';
import { firstDeliveryShare, fleetNow, followFleet } from './fleet.ts';
import type { FleetNow } from './fleet.ts';
import { emptySourceHistory } from './history.ts';
import type { SourceHistory } from './history.ts';
import { appendSample, countWithin, longWindowMs, noGrowth, plannedRate, shortWindowMs } from './rates.ts';
import type { Count, Growth } from './rates.ts';
import { known, unknown } from './signals.ts';
import type { Known, Presence, SourceSignals } from './signals.ts';

/** What measuring one source needs to know about the pass beside the source itself. */
export type Circumstances = {
  readonly atMs: number;
  /** Time since the last pass, 0 at the first. */
  readonly elapsedMs: number;
  /** Ready replicas; 0 when the workload cannot be seen. */
  readonly ready: number;
  /** Replicas that were ready all the time since the last pass, and alone at work; 0 when that is not known. */
  readonly steady: number;
  /** Replicas that may have worked since the last pass. */
  readonly working: number;
  readonly prior: Prior;
};

export function measureSource(
  old: SourceHistory,
  observed: SourceObservation,
  circumstances: Circumstances,
): { readonly signals: SourceSignals; readonly history: SourceHistory } {
  const { elapsedMs, prior } = circumstances;
  const heard = {
    ...old,
    fleet: followFleet(old.fleet, observed.heartbeats, elapsedMs, prior.serviceMilliseconds),
  };
  const now = fleetNow(observed.heartbeats);
  const { presence, history } = readConsumer(heard, observed, now, circumstances);
  return { signals: toSignals(presence, history, now, circumstances), history };
}

function readConsumer(
  history: SourceHistory,
  { consumer }: SourceObservation,
  now: FleetNow,
  circumstances: Circumstances,
): { readonly presence: Presence; readonly history: SourceHistory } {
  if (consumer.kind !== 'seen') return { presence: consumer, history };
  const reading = { atMs: consumer.atMs, facts: consumer.value };
  const relation = continuity(history.reading, reading);
  const presence: Presence = { kind: 'seen' };
  switch (relation.kind) {
    case 'dropped':
      return { presence: { kind: 'unseen', message: relation.reason }, history };
    case 'recreated': {
      // How fast the workers are has nothing to do with the consumer.
      const { fleet, throughput, lastWorkMs } = history;
      const fresh = { ...emptySourceHistory, fleet, throughput, lastWorkMs };
      return { presence, history: noteWork(accept(fresh, reading, noGrowth), now, false) };
    }
    case 'gap':
      return { presence, history: noteWork(accept(history, reading, noGrowth), now, false) };
    case 'step':
      return { presence, history: addStep(history, reading, relation.elapsedMs, now, circumstances) };
  }
}

function addStep(
  history: SourceHistory,
  reading: Reading,
  elapsedMs: number,
  now: FleetNow,
  { steady, working, prior }: Circumstances,
): SourceHistory {
  const before = history.reading?.facts ?? reading.facts;
  const after = reading.facts;
  const arrived = arrivals(before, after, firstDeliveryShare(history.fleet));
  const completed = arrived + before.pending + before.ackPending - after.pending - after.ackPending;
  const seconds = msToSeconds(elapsedMs);
  const accepted = accept(history, reading, {
    measuredMs: elapsedMs,
    arrived,
    completed,
    replicaSeconds: working * seconds,
    heldSeconds: ((before.ackPending + after.ackPending) / 2) * seconds,
  });
  const isBacklogged = steady > 0 && before.pending > 0 && after.pending > 0 && !isAckPendingFull(after);
  const shown = isBacklogged
    ? addBackloggedStep(history.throughput, { completed, seconds, replicas: steady }, assumedPerSecond(prior))
    : history.throughput;
  const window = countWithin(accepted.samples, shortWindowMs);
  const throughput = window === undefined ? shown : seeCompletions(shown, window, seconds);
  const hasMoved = arrived > 0 || after.deliveredConsumerSeq > before.deliveredConsumerSeq;
  return noteWork({ ...accepted, throughput }, now, hasMoved);
}

function accept(history: SourceHistory, reading: Reading, growth: Growth): SourceHistory {
  return { ...history, reading, samples: appendSample(history.samples, reading.atMs, growth) };
}

function noteWork(history: SourceHistory, now: FleetNow, hasMoved: boolean): SourceHistory {
  const { reading } = history;
  if (reading === undefined) return history;
  const isUnresolved = reading.facts.pending + reading.facts.ackPending > 0;
  const isWorking = isUnresolved || hasMoved || now.busy > 0 || history.lastWorkMs === undefined;
  return {
    ...history,
    unresolvedSinceMs: isUnresolved ? (history.unresolvedSinceMs ?? reading.atMs) : undefined,
    lastWorkMs: isWorking ? reading.atMs : history.lastWorkMs,
  };
}

function toSignals(
  presence: Presence,
  history: SourceHistory,
  now: FleetNow,
  { atMs, ready, working, prior }: Circumstances,
): SourceSignals {
  const { reading, samples, lastWorkMs, unresolvedSinceMs } = history;
  const replicaCapacity = capacity(history.fleet, history.throughput, prior, atMs);
  if (reading === undefined) return neverSeen(presence, replicaCapacity);
  const { facts } = reading;
  const short = countWithin(samples, shortWindowMs);
  const long = countWithin(samples, longWindowMs);
  const rate = (count: Count | undefined, of: (count: Count) => number): Known =>
    count === undefined
      ? unknown('a rate needs two readings of the consumer')
      : known(of(count), reading.atMs);
  const running = runningJobs(facts, now, working * replicaCapacity.slots);
  return {
    presence,
    pendingMessages: known(facts.pending, reading.atMs),
    ackPendingMessages: known(facts.ackPending, reading.atMs),
    backlogMessages: known(facts.pending + facts.ackPending, reading.atMs),
    queuedMessages: known(queuedMessages(facts, running, ready), reading.atMs),
    runningJobs: known(running, reading.atMs),
    arrivalsPerSecond: rate(short, (count) => count.arrived / count.seconds),
    plannedArrivalsPerSecond: rate(short, () => plannedRate(samples)),
    arrivalsLongPerSecond: rate(long, (count) => count.arrived / count.seconds),
    completionsPerSecond: rate(short, (count) => count.completed / count.seconds),
    capacity: replicaCapacity,
    maxAckPending: known(facts.maxAckPending > 0 ? facts.maxAckPending : 'unlimited', reading.atMs),
    paused: facts.paused,
    unresolvedSinceMs,
    lastWorkMs: lastWorkMs === undefined ? unknown('nothing seen yet') : known(lastWorkMs, reading.atMs),
  };
}

function neverSeen(presence: Presence, replicaCapacity: SourceSignals['capacity']): SourceSignals {
  const missing = unknown('the consumer has not been seen yet');
  return {
    presence,
    pendingMessages: missing,
    ackPendingMessages: missing,
    backlogMessages: missing,
    queuedMessages: missing,
    runningJobs: missing,
    arrivalsPerSecond: missing,
    plannedArrivalsPerSecond: missing,
    arrivalsLongPerSecond: missing,
    completionsPerSecond: missing,
    capacity: replicaCapacity,
    maxAckPending: missing,
    paused: false,
    unresolvedSinceMs: undefined,
    lastWorkMs: missing,
  };
}

function isAckPendingFull({ ackPending, maxAckPending }: ConsumerFacts): boolean {
  return maxAckPending > 0 && ackPending >= 0.95 * maxAckPending;
}

/** What the workers say, but no more than was delivered, and than the replicas, leaving ones included, have slots. */
function runningJobs({ ackPending }: ConsumerFacts, { workers, busy }: FleetNow, openSlots: number): number {
  return Math.min(ackPending, openSlots, workers > 0 ? busy : openSlots);
}

/**
 * While replicas are ready, nothing is pending and a pull is open, whatever can be delivered has been: the rest of
 * ack-pending waits for its retry time or its ack wait, and no further replica could start it sooner.
 */
function queuedMessages(
  { pending, ackPending, waiting }: ConsumerFacts,
  running: number,
  ready: number,
): number {
  if (ready > 0 && pending === 0 && waiting > 0) return 0;
  return pending + ackPending - running;
}
