import { msToSeconds, secondsToMs } from '#common/units.ts';
import type { ConsumerFacts, SourceObservation } from '../observe/observation.ts';
import { addToBatches } from './batches.ts';
import type { Step } from './batches.ts';
import { addBackloggedStep, capacity, seeCompletions } from './capacity.ts';
import type { Prior } from './capacity.ts';
import { arrivals, continuity } from './continuity.ts';
import type { Reading } from './continuity.ts';
import { firstDeliveryShare, fleetNow, followFleet } from './fleet.ts';
import type { Fleet, FleetNow } from './fleet.ts';
import { emptySourceHistory } from './history.ts';
import type { SourceHistory } from './history.ts';
import {
  appendSample,
  briefWindowMs,
  countWithin,
  longWindowMs,
  noGrowth,
  plannedRate,
  shortWindowMs,
} from './rates.ts';
import type { Count, Growth } from './rates.ts';
import { addWaits, estimatedWaits, reportedWaits } from './serviceLevel.ts';
import type { Waits } from './serviceLevel.ts';
import { known, unknown } from './signals.ts';
import type { Known, OldestUnresolved, Overflow, Presence, SourceSignals } from './signals.ts';

/** What measuring one source needs to know about the pass beside the source itself. */
export type Circumstances = {
  readonly atMs: number;
  /** Time since the last pass, 0 at the first. */
  readonly elapsedMs: number;
  /** Ready replicas; 0 when the workload cannot be seen. */
  readonly ready: number;
  /** Replicas that were ready all the time since the last pass, and alone at work; 0 when that is not known. */
  readonly steady: number;
  /** Since when `steady` has been the same number. */
  readonly steadySinceMs: number | undefined;
  /** Replicas that may have worked since the last pass. */
  readonly working: number;
  readonly prior: Prior;
  /** Sources that a worker serves at a time, as the workers tell: from 1 to the number of sources. */
  readonly sharedBy: number;
  /** From a new replica to its first job, as measured or assumed. */
  readonly startMs: number;
  /** A job that begins within this time is in time. */
  readonly withinSeconds: number;
};

/** Heartbeats and the consumer are not read at the same moment. */
const unevenJobs = 1_000;
/** Jobs that began before a change of the replicas have ended after so many run times. */
const settleTimes = 2;

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
  const { presence, history: read } = readConsumer(heard, observed, now, circumstances);
  const history = { ...read, waits: followWaits(old, read, observed, circumstances) };
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
  circumstances: Circumstances,
): SourceHistory {
  const { steady, working } = circumstances;
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
    ? addBackloggedStep(history.throughput, { completed, seconds, replicas: steady })
    : history.throughput;
  const window = countWithin(accepted.samples, shortWindowMs);
  const throughput = window === undefined ? shown : seeCompletions(shown, window, seconds);
  const hasDelivered = after.deliveredConsumerSeq > before.deliveredConsumerSeq;
  const isStalled = steady > 0 && before.pending > 0 && after.pending > 0 && !hasDelivered;
  const stepped: SourceHistory = {
    ...accepted,
    throughput,
    stalledSinceMs: isStalled ? (history.stalledSinceMs ?? reading.atMs - elapsedMs) : undefined,
    oldest: followOldest(history.oldest, reading, completed),
    batches: addToBatches(
      history.batches,
      reading.atMs,
      backloggedStep(history, reading, { seconds, completed }, now, circumstances),
    ),
  };
  return noteWork(stepped, now, arrived > 0 || hasDelivered);
}

/**
 * A step that shows how long jobs take at so many busy slots: undefined unless messages were waiting all the time.
 * Without heartbeats every slot of the ready replicas counts as busy, once the jobs have settled to their number, and only
 * if more waited at the start of the step than was delivered within it: otherwise slots may have run out of work.
 */
function backloggedStep(
  { fleet, reading: before, throughput }: SourceHistory,
  { atMs, facts: after }: Reading,
  { seconds, completed }: Pick<Step, 'seconds' | 'completed'>,
  now: FleetNow,
  { steady, steadySinceMs, prior }: Circumstances,
): Step | undefined {
  if (before === undefined || before.facts.pending === 0 || after.pending === 0) return undefined;
  if (isAckPendingFull(after)) return undefined;
  if (now.workers > 0) {
    const busySlotSeconds = Math.min(now.busy, after.ackPending) * seconds;
    return {
      seconds,
      completed,
      busySlotSeconds,
      reportedJobs: fleet.reported.jobs,
      reportedMs: fleet.reported.ms,
    };
  }
  const delivered = after.deliveredConsumerSeq - before.facts.deliveredConsumerSeq;
  if (before.facts.pending < delivered) return undefined;
  const settleMs = settleTimes * secondsToMs(throughput.heldSecondsPerJob ?? 0);
  if (steady === 0 || steadySinceMs === undefined || atMs - steadySinceMs < settleMs) return undefined;
  const busySlotSeconds = steady * (fleet.slotsPerReplica ?? prior.concurrency) * seconds;
  return { seconds, completed, busySlotSeconds, reportedJobs: 0, reportedMs: 0 };
}

/** Since the last trusted reading; workers are asked first. */
function followWaits(
  old: SourceHistory,
  { reading, samples, throughput, fleet, unresolvedSinceMs }: SourceHistory,
  { heartbeats }: SourceObservation,
  { atMs, ready, working, prior, sharedBy, withinSeconds }: Circumstances,
): Waits {
  if (reading === undefined || old.reading === undefined || reading === old.reading) return old.waits;
  const { facts } = reading;
  const arrived = Math.max(0, (samples.at(-1)?.arrived ?? 0) - (old.samples.at(-1)?.arrived ?? 0));
  const delivered = facts.deliveredConsumerSeq - old.reading.facts.deliveredConsumerSeq;
  const reported = reportedWaits(old.fleet.workers, heartbeats, withinSeconds, 2 * delivered + unevenJobs);
  if (reported !== undefined) return addWaits(old.waits, atMs, reported, withinSeconds);
  const { jobsPerSecond, slots } = capacity(fleet, throughput, { prior, atMs, sharedBy });
  const messages = queuedMessages(facts, runningJobs(facts, fleetNow(heartbeats), working * slots), ready);
  const count = countWithin(samples, shortWindowMs);
  const completed = count === undefined ? 0 : count.completed / count.seconds;
  const queue = {
    messages,
    perSecond: Math.max(completed, jobsPerSecond * ready),
    oldestSeconds: msToSeconds(atMs - (unresolvedSinceMs ?? atMs)),
  };
  return addWaits(old.waits, atMs, estimatedWaits(arrived, queue, withinSeconds), withinSeconds);
}

function followOldest(
  oldest: OldestUnresolved | undefined,
  { atMs, facts }: Reading,
  completed: number,
): OldestUnresolved | undefined {
  if (facts.ackPending === 0) return undefined;
  const streamSeq = facts.ackFloorStreamSeq + 1;
  if (oldest?.streamSeq !== streamSeq) return { streamSeq, sinceMs: atMs, completedSince: 0 };
  return { ...oldest, completedSince: oldest.completedSince + Math.max(0, completed) };
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
  { atMs, ready, working, prior, sharedBy, startMs }: Circumstances,
): SourceSignals {
  const { reading, samples, lastWorkMs, unresolvedSinceMs } = history;
  const replicaCapacity = capacity(history.fleet, history.throughput, { prior, atMs, sharedBy });
  if (reading === undefined) return neverSeen(presence, replicaCapacity);
  const { facts } = reading;
  const brief = countWithin(samples, briefWindowMs);
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
    oldestRunningMs:
      now.workers === 0 ? unknown('no worker tells') : known(now.oldestRunningMs, reading.atMs),
    arrivalsPerSecond: rate(short, (count) => count.arrived / count.seconds),
    plannedArrivalsPerSecond: rate(short, () => plannedRate(samples, startMs)),
    arrivalsLongPerSecond: rate(long, (count) => count.arrived / count.seconds),
    completionsPerSecond: rate(short, (count) => count.completed / count.seconds),
    arrivalsBriefPerSecond: rate(brief, (count) => count.arrived / count.seconds),
    completionsBriefPerSecond: rate(brief, (count) => count.completed / count.seconds),
    capacity: replicaCapacity,
    overflow: overflow(facts, reading.atMs),
    maxAckPending: known(facts.maxAckPending > 0 ? facts.maxAckPending : 'unlimited', reading.atMs),
    ...(facts.owner === undefined ? {} : { owner: facts.owner }),
    paused: facts.paused,
    openPulls: known(facts.waiting, reading.atMs),
    ackWaitMs: known(facts.ackWaitMs, reading.atMs),
    redeliveredMessages: known(facts.redelivered, reading.atMs),
    ...workSignals(history.fleet, reading.atMs),
    batches: history.batches.full,
    stalledSinceMs: history.stalledSinceMs,
    oldest: history.oldest,
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
    oldestRunningMs: missing,
    arrivalsPerSecond: missing,
    plannedArrivalsPerSecond: missing,
    arrivalsLongPerSecond: missing,
    completionsPerSecond: missing,
    arrivalsBriefPerSecond: missing,
    completionsBriefPerSecond: missing,
    capacity: replicaCapacity,
    overflow: missing,
    maxAckPending: missing,
    paused: false,
    openPulls: missing,
    ackWaitMs: missing,
    redeliveredMessages: missing,
    attemptsPerSuccess: missing,
    repeatedShare: missing,
    successMs: missing,
    serviceVariability: missing,
    serviceP95Ms: missing,
    batches: [],
    stalledSinceMs: undefined,
    oldest: undefined,
    unresolvedSinceMs: undefined,
    lastWorkMs: missing,
  };
}

/** Fewer attempts prove nothing about how many succeed. */
const fewestAttempts = 20;
/** Beyond it the measured figure says more about one job than about all. */
const mostVariability = 25;
/** Standard deviations from the mean to the 95th percentile of a normal distribution. */
const p95Deviations = 1.645;

function workSignals(
  { work, recent }: Fleet,
  atMs: number,
): Pick<
  SourceSignals,
  'attemptsPerSuccess' | 'repeatedShare' | 'successMs' | 'serviceVariability' | 'serviceP95Ms'
> {
  if (work === undefined || recent.attempts < fewestAttempts) {
    const few = unknown('too few jobs were reported');
    return {
      attemptsPerSuccess: few,
      repeatedShare: few,
      successMs: few,
      serviceVariability: few,
      serviceP95Ms: few,
    };
  }
  const { serviceCount: count, serviceMs, serviceSquaresMs2 } = work;
  const unreported = unknown('no run time was reported');
  const meanMs = serviceMs / count;
  const deviationMs = Math.sqrt(Math.max(0, serviceSquaresMs2 / count - meanMs ** 2));
  return {
    attemptsPerSuccess: known(recent.attempts / Math.max(recent.succeeded, 1), atMs),
    repeatedShare: known(
      recent.deliveries < 1 ? 0 : Math.max(0, 1 - recent.firstDeliveries / recent.deliveries),
      atMs,
    ),
    successMs: count < 1 ? unreported : known(meanMs, atMs),
    serviceVariability:
      count < 1 || meanMs === 0
        ? unreported
        : known(Math.min(mostVariability, (deviationMs / meanMs) ** 2), atMs),
    serviceP95Ms: count < 1 ? unreported : known(meanMs + p95Deviations * deviationMs, atMs),
  };
}

function overflow({ stream }: ConsumerFacts, atMs: number): Known<Overflow> {
  if (stream === undefined) return unknown('the stream could not be read');
  if (stream.maxMessages <= 0 && stream.maxBytes <= 0) return known('unbounded', atMs);
  return known(stream.discard === 'new' ? 'refusesNew' : 'dropsOldest', atMs);
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
