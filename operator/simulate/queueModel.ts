import type { Heartbeat } from '#common/heartbeat.ts';
import type { Observation, ReplicaFacts, SourceObservation } from '../observe/observation.ts';
import { TimeHeap } from './heap.ts';
import type { Random } from './random.ts';

/**
 * A consumer's queue in front of replicas, in simulated time: first come, first served; a replica takes its start time
 * before it runs jobs, and when it is taken away it finishes those it runs and takes no more.
 */
export type ModelOptions = {
  readonly random: Random;
  /** Run time of a job that starts then, milliseconds. */
  readonly serviceMs: (random: Random, atMs: number) => number;
  /** Jobs that one replica runs at once. */
  readonly slots: number;
  /** From a new replica to its first job, milliseconds. */
  readonly startMs: number;
  /** Whether replicas tell what they do; else the consumer alone is seen. */
  readonly hasHeartbeats: boolean;
  /** Jobs per second that something behind the replicas lets through. */
  readonly dependencyPerSecond?: (atMs: number) => number;
  /** Share of the attempts that fail; they are tried again after a second. */
  readonly failShare?: (atMs: number) => number;
  /** Whether the consumer delivers nothing, looked at once per advance. */
  readonly isPaused?: (atMs: number) => boolean;
  /** Replicas created at such times never get ready. */
  readonly failsToStart?: (atMs: number) => boolean;
};

/** A job from the time it may be delivered. */
type Job = { readonly atMs: number; readonly arrivedMs: number; readonly attempts: number };
type Running = {
  readonly startedMs: number;
  readonly endsMs: number;
  readonly attempts: number;
  readonly fails: boolean;
};
/** A slot from the time it is free. */
type Slot = { readonly atMs: number; readonly replica: Replica };
type Replica = {
  readonly name: string;
  readonly createdMs: number;
  readonly readyMs: number;
  readonly isFailing: boolean;
  isLeaving: boolean;
  running: Running[];
  succeeded: number;
  retried: number;
  deliveries: number;
  firstDeliveries: number;
  finishedBusyMs: number;
  successMs: number;
  successSquaresMs2: number;
  sequence: number;
};

const retryMs = 1_000;
const ackWaitMs = 30_000;
/** Where simulated time begins for those that want a date. */
const epochMs = 1_760_000_000_000;

export class QueueModel {
  /** By job, in the order of the first deliveries: from arrival to start. */
  readonly waitsMs: number[] = [];
  replicaMs = 0;
  busyMs = 0;
  completed = 0;
  arrived = 0;
  nowMs = 0;
  readonly #options: ModelOptions;
  #queue: number[] = [];
  #queueHead = 0;
  readonly #retries = new TimeHeap<Job>();
  readonly #slots = new TimeHeap<Slot>();
  #replicas: Replica[] = [];
  #desired = 0;
  #created = 0;
  #delivered = 0;
  #deliveredFirst = 0;
  #dependencyFreeMs = 0;
  #finishedMs = 0;

  constructor(options: ModelOptions) {
    this.#options = options;
  }

  /** Messages never delivered. */
  get pending(): number {
    return this.#queue.length - this.#queueHead;
  }

  /** Messages delivered and not resolved. */
  get ackPending(): number {
    return this.#replicas.reduce((sum, { running }) => sum + running.length, this.#retries.size);
  }

  /** Slot time that has been worked so far, milliseconds; unlike `busyMs` without the rest of the running jobs. */
  get workedMs(): number {
    return this.#replicas.reduce(
      (sum, { running }) => running.reduce((ages, { startedMs }) => ages + this.nowMs - startedMs, sum),
      this.#finishedMs,
    );
  }

  get desired(): number {
    return this.#desired;
  }

  get ready(): number {
    return this.#replicas.reduce((sum, each) => sum + (this.#isReady(each) && !each.isLeaving ? 1 : 0), 0);
  }

  /** Lets time pass until `endMs`, with jobs arriving at the given times, in order. */
  advance(endMs: number, arrivalsMs: readonly number[]): void {
    for (const arrivedMs of arrivalsMs) this.#queue.push(arrivedMs);
    this.arrived += arrivalsMs.length;
    if (this.#options.isPaused?.(this.nowMs) !== true) while (this.#startNext(endMs));
    if (this.#queueHead > 10_000) {
      this.#queue = this.#queue.slice(this.#queueHead);
      this.#queueHead = 0;
    }
    for (const replica of this.#replicas) {
      const goneMs = replica.isLeaving
        ? replica.running.reduce((last, { endsMs }) => Math.max(last, endsMs), this.nowMs)
        : endMs;
      this.replicaMs += Math.min(endMs, goneMs) - this.nowMs;
      this.#finishUntil(replica, endMs);
    }
    this.#dropGone();
    this.nowMs = endMs;
  }

  /** Asks for so many replicas. Idle ones leave first, then the youngest. */
  scale(desired: number): void {
    this.#desired = desired;
    const staying = this.#replicas.filter(({ isLeaving }) => !isLeaving);
    for (let count = staying.length; count < desired; count += 1) this.#create();
    const victims = staying
      .toSorted((a, b) => a.running.length - b.running.length || b.createdMs - a.createdMs)
      .slice(0, Math.max(0, staying.length - desired));
    for (const victim of victims) victim.isLeaving = true;
    this.#dropGone();
  }

  /** What an operator would see now. */
  observe(): Observation {
    const atMs = this.nowMs;
    return {
      atMs,
      sources: [
        { consumer: { kind: 'seen', atMs, value: this.#consumer() }, heartbeats: this.#heartbeats() },
      ],
      workload: {
        kind: 'seen',
        atMs,
        value: {
          desired: this.#desired,
          replicas: this.#replicas.map((replica) => this.#replicaFacts(replica)),
        },
      },
    };
  }

  #startNext(endMs: number): boolean {
    const job = this.#nextJob();
    const slot = this.#nextSlot();
    if (job === undefined || slot === undefined) return false;
    const startedMs = Math.max(job.atMs, slot.atMs, this.nowMs);
    if (startedMs >= endMs) return false;
    this.#slots.pop();
    if (job.attempts === 0) this.#queueHead += 1;
    else this.#retries.pop();
    this.#run(job, slot.replica, startedMs);
    return true;
  }

  #nextJob(): Job | undefined {
    const retry = this.#retries.peek();
    const arrivedMs = this.#queue[this.#queueHead];
    if (arrivedMs === undefined || (retry !== undefined && retry.atMs < arrivedMs)) return retry;
    return { atMs: arrivedMs, arrivedMs, attempts: 0 };
  }

  #nextSlot(): Slot | undefined {
    for (;;) {
      const slot = this.#slots.peek();
      if (!slot?.replica.isLeaving) return slot;
      this.#slots.pop();
    }
  }

  #run(job: Job, replica: Replica, startedMs: number): void {
    const { random, serviceMs, failShare } = this.#options;
    this.#finishUntil(replica, startedMs);
    const takesMs = this.#waitForDependency(startedMs) + serviceMs(random, startedMs);
    const endsMs = startedMs + takesMs;
    const fails = failShare !== undefined && random.uniform() < failShare(startedMs);
    const attempts = job.attempts + 1;
    replica.running.push({ startedMs, endsMs, attempts, fails });
    replica.deliveries += 1;
    this.#delivered += 1;
    this.busyMs += takesMs;
    if (job.attempts === 0) {
      replica.firstDeliveries += 1;
      this.#deliveredFirst += 1;
      this.waitsMs.push(startedMs - job.arrivedMs);
    }
    if (fails) this.#retries.push({ atMs: endsMs + retryMs, arrivedMs: job.arrivedMs, attempts });
    this.#slots.push({ atMs: endsMs, replica });
  }

  /** A job first takes its turn at the dependency, in the order of the starts. */
  #waitForDependency(startedMs: number): number {
    const { dependencyPerSecond } = this.#options;
    if (dependencyPerSecond === undefined) return 0;
    const turnMs = Math.max(startedMs, this.#dependencyFreeMs);
    this.#dependencyFreeMs = turnMs + 1_000 / dependencyPerSecond(startedMs);
    return turnMs - startedMs;
  }

  #finishUntil(replica: Replica, untilMs: number): void {
    if (!replica.running.some(({ endsMs }) => endsMs <= untilMs)) return;
    for (const { startedMs, endsMs, fails } of replica.running) {
      if (endsMs > untilMs) continue;
      const tookMs = endsMs - startedMs;
      replica.finishedBusyMs += tookMs;
      this.#finishedMs += tookMs;
      if (fails) replica.retried += 1;
      else {
        replica.succeeded += 1;
        replica.successMs += tookMs;
        replica.successSquaresMs2 += tookMs ** 2;
        this.completed += 1;
      }
    }
    replica.running = replica.running.filter(({ endsMs }) => endsMs > untilMs);
  }

  #create(): void {
    const { startMs, failsToStart, slots } = this.#options;
    const isFailing = failsToStart?.(this.nowMs) === true;
    this.#created += 1;
    const replica: Replica = {
      name: `replica-${this.#created}`,
      createdMs: this.nowMs,
      readyMs: isFailing ? Infinity : this.nowMs + startMs,
      isFailing,
      isLeaving: false,
      running: [],
      succeeded: 0,
      retried: 0,
      deliveries: 0,
      firstDeliveries: 0,
      finishedBusyMs: 0,
      successMs: 0,
      successSquaresMs2: 0,
      sequence: 0,
    };
    this.#replicas.push(replica);
    if (isFailing) return;
    for (let slot = 0; slot < slots; slot += 1) this.#slots.push({ atMs: replica.readyMs, replica });
  }

  #dropGone(): void {
    this.#replicas = this.#replicas.filter(({ isLeaving, running }) => !isLeaving || running.length > 0);
  }

  #isReady({ readyMs }: Replica): boolean {
    return readyMs <= this.nowMs;
  }

  #consumer(): Extract<SourceObservation['consumer'], { kind: 'seen' }>['value'] {
    const { pending, ackPending } = this;
    const isPaused = this.#options.isPaused?.(this.nowMs) === true;
    const redelivered = this.#replicas.reduce(
      (sum, { running }) => sum + running.filter(({ attempts }) => attempts > 1).length,
      0,
    );
    return {
      createdMs: epochMs,
      serverTimeMs: epochMs + this.nowMs,
      leader: undefined,
      paused: isPaused,
      filtered: false,
      pending,
      ackPending,
      redelivered,
      waiting: pending === 0 || isPaused ? 1 : 0,
      deliveredConsumerSeq: this.#delivered,
      deliveredStreamSeq: this.#deliveredFirst,
      ackFloorStreamSeq: this.completed,
      maxAckPending: -1,
      ackWaitMs,
      maxDeliver: -1,
      stream: {
        createdMs: epochMs,
        firstSeq: 1,
        lastSeq: this.arrived,
        messages: pending + ackPending,
        maxMessages: -1,
        maxBytes: -1,
        discard: 'old',
      },
    };
  }

  #replicaFacts(replica: Replica): ReplicaFacts {
    const isReady = this.#isReady(replica);
    const standing = replica.isFailing ? 'failing' : isReady ? 'ready' : 'starting';
    return {
      name: replica.name,
      state: replica.isLeaving ? 'terminating' : standing,
      ageMs: this.nowMs - replica.createdMs,
      startMs: isReady ? this.#options.startMs : undefined,
      message: replica.isFailing ? 'exit code 1' : undefined,
    };
  }

  #heartbeats(): SourceObservation['heartbeats'] {
    if (!this.#options.hasHeartbeats) return [];
    return this.#replicas
      .filter((replica) => this.#isReady(replica))
      .map((replica) => ({ atMs: this.nowMs, heartbeat: this.#heartbeat(replica) }));
  }

  #heartbeat(replica: Replica): Heartbeat {
    const { slots } = this.#options;
    replica.sequence += 1;
    const agesMs = replica.running.map(({ startedMs }) => this.nowMs - startedMs);
    return {
      version: 1,
      worker: replica.name,
      replica: replica.name,
      stream: 'SIMULATED',
      consumer: 'simulated',
      startedAtMs: epochMs + replica.createdMs,
      sequence: replica.sequence,
      state: replica.isLeaving ? 'draining' : 'running',
      slots,
      busy: replica.running.length,
      buffered: 0,
      stuck: 0,
      oldestRunningMs: agesMs.reduce((oldest, ageMs) => Math.max(oldest, ageMs), 0),
      totals: {
        deliveries: replica.deliveries,
        firstDeliveries: replica.firstDeliveries,
        succeeded: replica.succeeded,
        retried: replica.retried,
        deadLettered: 0,
        timedOut: 0,
        handedBack: 0,
        leaseLost: 0,
        busySlotMs: replica.finishedBusyMs + agesMs.reduce((sum, ageMs) => sum + ageMs, 0),
        slotMs: slots * (this.nowMs - replica.readyMs),
      },
      service: {
        count: replica.succeeded,
        sumMs: replica.successMs,
        sumSquaresMs2: replica.successSquaresMs2,
      },
    };
  }
}
