import type { Observation } from '../observe/observation.ts';
import { TimeHeap } from './timeHeap.ts';
import { NumberList } from './numberList.ts';
import type { Random } from './random.ts';
import { consumerFacts, heartbeat, replicaFacts } from './sight.ts';
import type { Replica } from './sight.ts';
import { SlotHeap } from './slotHeap.ts';

/**
 * A consumer's queue in front of replicas, in simulated time: first come, first served; a replica takes its start time
 * before it runs jobs, and when it is taken away it finishes those it runs and takes no more.
 */
export type ModelOptions = {
  /** For the run times of first attempts. */
  readonly random: Random;
  /** For all else, so that a job's run time does not depend on the replicas; `random` unless given. */
  readonly chance?: Random;
  /** Run time of a job that starts then, milliseconds. */
  readonly serviceMs: (random: Random, atMs: number) => number;
  /** Jobs that one replica runs at once. */
  readonly slots: number;
  /** From a new replica to its first job, milliseconds. */
  readonly startMs: number | ((random: Random) => number);
  /** Whether replicas tell what they do; else the consumer alone is seen. */
  readonly hasHeartbeats: boolean;
  /** Jobs per second that something behind the replicas lets through. */
  readonly dependencyPerSecond?: (atMs: number) => number;
  /** Share of the attempts that fail. */
  readonly failShare?: (atMs: number) => number;
  /** Time from a failed attempt to its retry, milliseconds, 1 s unless given. */
  readonly retryMs?: number;
  /** Deliveries of a message, the first included, after which it is given up; unlimited unless given. */
  readonly maxDeliver?: number;
  /** Messages that may be delivered and unresolved at once; unlimited unless given. */
  readonly maxAckPending?: number;
  /** An unresolved message is delivered again after this time, milliseconds, 30 s unless given. */
  readonly ackWaitMs?: number;
  /** Whether workers extend the ack wait of the jobs they run, as ours do; true unless given. */
  readonly extendsAckWait?: boolean;
  /** Whether the consumer delivers nothing, looked at once per advance. */
  readonly isPaused?: (atMs: number) => boolean;
  /** Replicas created at such times begin to start only when such times are over. */
  readonly failsToStart?: (atMs: number) => boolean;
  /** Told the time of each job that is done, in the order in which slots are looked at. */
  readonly onDone?: (atMs: number) => void;
};

/** A message that will be delivered again. */
type Redelivery = {
  readonly atMs: number;
  readonly attempts: number;
  /** When a run that still goes on will have resolved it; Infinity if none will. */
  readonly resolvedMs: number;
  /** Run time of the earlier attempt, if this is the same work done twice. */
  readonly serviceMs: number | undefined;
};

const defaultRetryMs = 1_000;
const defaultAckWaitMs = 30_000;

/** What becomes of the attempt in a slot. */
const [idle, succeeds, fails, givesUp, repeats] = [0, 1, 2, 3, 4];

export class QueueModel {
  replicaMs = 0;
  busyMs = 0;
  /** Messages resolved by a success. */
  completed = 0;
  /** Messages given up after `maxDeliver` attempts. */
  deadLettered = 0;
  arrived = 0;
  nowMs = 0;
  readonly options: ModelOptions;
  readonly #chance: Random;
  readonly #queue = new NumberList();
  readonly #waits = new NumberList();
  readonly #redeliveries = new TimeHeap<Redelivery>();
  /** Free places under maxAckPending by the time from which they are free. */
  readonly #places: SlotHeap | undefined;
  readonly #slots = new SlotHeap();
  /** By slot: whose it is, from when it is free, and the attempt in it. */
  #owners: (Replica | undefined)[] = [];
  #freeMs: number[] = [];
  #startedMs: number[] = [];
  #endsMs: number[] = [];
  #attempts: number[] = [];
  #ends: number[] = [];
  /** First slots of replicas that are gone. */
  readonly #vacant: number[] = [];
  #replicas: Replica[] = [];
  #desired = 0;
  #created = 0;
  #delivered = 0;
  #deliveredFirst = 0;
  #ackPending = 0;
  #dependencyFreeMs = 0;
  #finishedMs = 0;

  constructor(options: ModelOptions) {
    this.options = options;
    this.#chance = options.chance ?? options.random;
    const { maxAckPending } = options;
    if (maxAckPending === undefined) return;
    this.#places = new SlotHeap();
    for (let place = 0; place < maxAckPending; place += 1) this.#places.push(0, place);
  }

  /** By job, in the order of the first deliveries: from arrival to start, milliseconds. */
  get waitsMs(): Float64Array {
    return this.#waits.values;
  }

  /** Arrival times of the messages never delivered, milliseconds. */
  get waitingSinceMs(): Float64Array {
    return this.#queue.values;
  }

  /** Messages never delivered. */
  get pending(): number {
    return this.#queue.length;
  }

  /** Messages delivered and not resolved. */
  get ackPending(): number {
    return this.#ackPending;
  }

  /** Messages tracked with more than one delivery. */
  get redelivered(): number {
    let count = 0;
    for (const { attempts } of this.#redeliveries.items) if (attempts > 1) count += 1;
    for (const { redelivered } of this.#replicas) count += redelivered;
    return count;
  }

  /** Messages whose first attempt has started. */
  get started(): number {
    return this.#deliveredFirst;
  }

  get delivered(): { readonly all: number; readonly first: number } {
    return { all: this.#delivered, first: this.#deliveredFirst };
  }

  get isPaused(): boolean {
    return this.options.isPaused?.(this.nowMs) === true;
  }

  /** Slot time that has been worked so far, milliseconds; unlike `busyMs` without the rest of the running jobs. */
  get workedMs(): number {
    return this.#replicas.reduce((sum, { agesMs }) => sum + agesMs, this.#finishedMs);
  }

  get desired(): number {
    return this.#desired;
  }

  get ready(): number {
    let count = 0;
    for (const { readyMs, isLeaving } of this.#replicas) if (readyMs <= this.nowMs && !isLeaving) count += 1;
    return count;
  }

  /** Lets time pass until `endMs`, with jobs arriving at the given times, in order. */
  advance(endMs: number, arrivalsMs: Float64Array | readonly number[]): void {
    for (const atMs of arrivalsMs) this.#queue.push(atMs);
    this.arrived += arrivalsMs.length;
    if (this.options.failsToStart?.(this.nowMs) === false) this.#recover();
    if (!this.isPaused) while (this.#startNext(endMs));
    let hasGone = false;
    for (const replica of this.#replicas) {
      const lastMs = this.#lookAt(replica, endMs);
      this.replicaMs +=
        (replica.isLeaving ? Math.min(endMs, Math.max(lastMs, this.nowMs)) : endMs) - this.nowMs;
      hasGone ||= replica.isLeaving && replica.busy === 0;
    }
    this.nowMs = endMs;
    if (hasGone) this.#dropGone();
  }

  /** Asks for so many replicas. Idle ones leave first, then the youngest. */
  scale(desired: number): void {
    this.#desired = desired;
    const staying = this.#replicas.filter(({ isLeaving }) => !isLeaving);
    for (let count = staying.length; count < desired; count += 1) this.#create();
    if (staying.length <= desired) return;
    const victims = staying
      .toSorted((a, b) => a.busy - b.busy || b.createdMs - a.createdMs)
      .slice(0, staying.length - desired);
    for (const victim of victims) this.#retire(victim);
    this.#dropGone();
  }

  /** What an operator would see now. */
  observe(): Observation {
    const atMs = this.nowMs;
    const { hasHeartbeats } = this.options;
    const heartbeats = [];
    const replicas = [];
    for (const replica of this.#replicas) {
      replicas.push(replicaFacts(replica, atMs));
      if (hasHeartbeats && replica.readyMs <= atMs) {
        heartbeats.push({ atMs, heartbeat: heartbeat(replica, atMs, this.options.slots) });
      }
    }
    return {
      atMs,
      sources: [{ consumer: { kind: 'seen', atMs, value: consumerFacts(this) }, heartbeats }],
      workload: { kind: 'seen', atMs, value: { desired: this.#desired, replicas } },
    };
  }

  get ackWaitMs(): number {
    return this.options.ackWaitMs ?? defaultAckWaitMs;
  }

  /** Starts whatever can start next before `endMs`; a message to be delivered again goes before new ones. */
  #startNext(endMs: number): boolean {
    const freeMs = Math.max(this.#nextFreeMs(), this.nowMs);
    if (freeMs >= endMs) return false;
    const newMs = Math.max(this.#queue.first, freeMs, this.#places?.firstMs ?? 0);
    const again = this.#redeliveries.peek();
    const againMs = again === undefined ? Infinity : Math.max(again.atMs, freeMs);
    if (newMs >= endMs && againMs >= endMs) return false;
    if (again !== undefined && againMs <= newMs) this.#startAgain(again, againMs);
    else this.#startFirst(newMs);
    return true;
  }

  /** Slots of replicas that left are passed over; so are earlier times of slots that were given anew. */
  #nextFreeMs(): number {
    const slots = this.#slots;
    while (slots.size > 0 && this.#freeMs[slots.firstSlot] !== slots.firstMs) slots.pop();
    return slots.firstMs;
  }

  #startFirst(startedMs: number): void {
    this.#waits.push(startedMs - this.#queue.first);
    this.#queue.shift();
    this.#places?.pop();
    this.#ackPending += 1;
    this.#deliveredFirst += 1;
    this.#start(startedMs, 1, Infinity, undefined);
  }

  #startAgain({ attempts, resolvedMs, serviceMs }: Redelivery, startedMs: number): void {
    this.#redeliveries.pop();
    if (resolvedMs > startedMs) this.#start(startedMs, attempts + 1, resolvedMs, serviceMs);
  }

  /** @param resolvedMs when an earlier run of the same message will have resolved it; Infinity if none will. */
  #start(startedMs: number, attempts: number, resolvedMs: number, sameMs: number | undefined): void {
    const { random, serviceMs, failShare } = this.options;
    const slot = this.#slots.firstSlot;
    const replica = this.#owners[slot];
    if (replica === undefined) throw new Error(`slot ${slot} belongs to no replica`);
    this.#settle(slot, replica);
    const ownMs = sameMs ?? serviceMs(attempts === 1 ? random : this.#chance, startedMs);
    const takesMs = this.#waitForDependency(startedMs) + ownMs;
    const endsMs = startedMs + takesMs;
    const hasFailed = failShare !== undefined && this.#chance.uniform() < failShare(startedMs);
    this.#startedMs[slot] = startedMs;
    this.#endsMs[slot] = endsMs;
    this.#attempts[slot] = attempts;
    this.#freeMs[slot] = endsMs;
    this.#slots.replaceFirst(endsMs, slot);
    this.busyMs += takesMs;
    this.#delivered += 1;
    replica.deliveries += 1;
    if (attempts === 1) replica.firstDeliveries += 1;
    this.#ends[slot] = this.#foresee(startedMs, endsMs, attempts, resolvedMs, hasFailed, ownMs);
  }

  /** Plans what follows from an attempt, and tells what its end will mean. */
  #foresee(
    startedMs: number,
    endsMs: number,
    attempts: number,
    resolvedMs: number,
    hasFailed: boolean,
    serviceMs: number,
  ): number {
    const { maxDeliver = Infinity, retryMs = defaultRetryMs, extendsAckWait = true } = this.options;
    const isLast = attempts >= maxDeliver;
    const lapseMs = extendsAckWait ? Infinity : startedMs + this.ackWaitMs;
    const isDuplicate = resolvedMs !== Infinity;
    const resolves = isDuplicate || hasFailed ? resolvedMs : endsMs;
    if (lapseMs < Math.min(endsMs, resolves) && !isLast) {
      this.#redeliveries.push({ atMs: lapseMs, attempts, resolvedMs: resolves, serviceMs });
      if (hasFailed) return fails; // The redelivery is its retry.
    }
    if (isDuplicate) return repeats;
    if (hasFailed && !isLast) {
      this.#redeliveries.push({
        atMs: endsMs + retryMs,
        attempts,
        resolvedMs: Infinity,
        serviceMs: undefined,
      });
      return fails;
    }
    this.#places?.push(endsMs, 0);
    return hasFailed ? givesUp : succeeds;
  }

  /** A job first takes its turn at the dependency, in the order of the starts. */
  #waitForDependency(startedMs: number): number {
    const { dependencyPerSecond } = this.options;
    if (dependencyPerSecond === undefined) return 0;
    const turnMs = Math.max(startedMs, this.#dependencyFreeMs);
    this.#dependencyFreeMs = turnMs + 1_000 / dependencyPerSecond(startedMs);
    return turnMs - startedMs;
  }

  /** Accounts for the attempt that a slot has ended. */
  #settle(slot: number, replica: Replica): void {
    const end = this.#ends[slot] ?? idle;
    if (end === idle) return;
    this.#ends[slot] = idle;
    const endsMs = this.#endsMs[slot] ?? 0;
    const tookMs = endsMs - (this.#startedMs[slot] ?? 0);
    replica.finishedBusyMs += tookMs;
    this.#finishedMs += tookMs;
    if (end === fails) {
      replica.retried += 1;
      return;
    }
    if (end !== repeats) this.#ackPending -= 1;
    if (end === givesUp) {
      replica.deadLettered += 1;
      this.deadLettered += 1;
      return;
    }
    replica.succeeded += 1;
    replica.successMs += tookMs;
    replica.successSquaresMs2 += tookMs ** 2;
    if (end === repeats) return;
    this.completed += 1;
    this.options.onDone?.(endsMs);
  }

  /** Settles what a replica has ended, and notes what it runs. @returns when the last of its jobs ends. */
  #lookAt(replica: Replica, atMs: number): number {
    let [busy, redelivered, agesMs, oldestMs, lastMs] = [0, 0, 0, 0, 0];
    const endSlot = replica.firstSlot + this.options.slots;
    for (let slot = replica.firstSlot; slot < endSlot; slot += 1) {
      if (this.#ends[slot] === idle) continue;
      const endsMs = this.#endsMs[slot] ?? 0;
      lastMs = Math.max(lastMs, endsMs);
      if (endsMs <= atMs) {
        this.#settle(slot, replica);
        continue;
      }
      const ageMs = atMs - (this.#startedMs[slot] ?? 0);
      busy += 1;
      agesMs += ageMs;
      oldestMs = Math.max(oldestMs, ageMs);
      if ((this.#attempts[slot] ?? 1) > 1) redelivered += 1;
    }
    replica.busy = busy;
    replica.redelivered = redelivered;
    replica.agesMs = agesMs;
    replica.oldestMs = oldestMs;
    return lastMs;
  }

  #create(): void {
    const { failsToStart, slots } = this.options;
    const isFailing = failsToStart?.(this.nowMs) === true;
    const takesMs = this.#startTakesMs();
    this.#created += 1;
    const replica: Replica = {
      name: `replica-${this.#created}`,
      createdMs: this.nowMs,
      readyMs: isFailing ? Infinity : this.nowMs + takesMs,
      isFailing,
      firstSlot: this.#vacant.pop() ?? this.#owners.length,
      isLeaving: false,
      busy: 0,
      redelivered: 0,
      agesMs: 0,
      oldestMs: 0,
      succeeded: 0,
      retried: 0,
      deadLettered: 0,
      deliveries: 0,
      firstDeliveries: 0,
      finishedBusyMs: 0,
      successMs: 0,
      successSquaresMs2: 0,
      sequence: 0,
    };
    this.#replicas.push(replica);
    for (let slot = replica.firstSlot; slot < replica.firstSlot + slots; slot += 1) {
      this.#owners[slot] = replica;
      this.#ends[slot] = idle;
      this.#freeMs[slot] = replica.readyMs;
      if (!isFailing) this.#slots.push(replica.readyMs, slot);
    }
  }

  #startTakesMs(): number {
    const { startMs } = this.options;
    return typeof startMs === 'number' ? startMs : startMs(this.#chance);
  }

  /** Those that failed to start start now. */
  #recover(): void {
    for (const replica of this.#replicas) {
      if (!replica.isFailing || replica.isLeaving) continue;
      replica.isFailing = false;
      replica.readyMs = this.nowMs + this.#startTakesMs();
      const endSlot = replica.firstSlot + this.options.slots;
      for (let slot = replica.firstSlot; slot < endSlot; slot += 1) {
        this.#freeMs[slot] = replica.readyMs;
        this.#slots.push(replica.readyMs, slot);
      }
    }
  }

  #retire(replica: Replica): void {
    replica.isLeaving = true;
    const endSlot = replica.firstSlot + this.options.slots;
    for (let slot = replica.firstSlot; slot < endSlot; slot += 1) this.#freeMs[slot] = Infinity;
  }

  #dropGone(): void {
    this.#replicas = this.#replicas.filter((replica) => {
      const isGone = replica.isLeaving && replica.busy === 0;
      if (isGone) this.#vacant.push(replica.firstSlot);
      return !isGone;
    });
  }
}
