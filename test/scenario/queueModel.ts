import type { Heartbeat } from '#common/heartbeat.ts';
import type { ReplicaFacts, SourceObservation, WorkloadFacts } from '../../operator/observe/observation.ts';
import { heartbeat } from '../builders/heartbeat.ts';
import type { Random } from './random.ts';

/**
 * A queue in front of replicas, in simulated time: first come, first served; a replica takes its start time before
 * it runs jobs, and when it is taken away it finishes those it runs and takes no more.
 */
export type ModelOptions = {
  readonly random: Random;
  /** Mean of exponentially distributed run times, if need be by the time of the start. */
  readonly serviceMs: number | ((atMs: number) => number);
  readonly slots: number;
  readonly startMs: number;
  readonly hasHeartbeats: boolean;
  /** Jobs per second that something behind the replicas lets through, if need be by the time of the start. */
  readonly dependencyPerSecond?: (atMs: number) => number;
  /** Replicas created at such times never get ready. */
  readonly failsToStart?: (atMs: number) => boolean;
};

type Job = { readonly arrivedMs: number };
type Running = { readonly startedMs: number; readonly endsMs: number };
type Replica = {
  readonly name: string;
  readonly createdMs: number;
  readonly readyMs: number;
  readonly isFailing: boolean;
  isLeaving: boolean;
  running: Running[];
  succeeded: number;
  deliveries: number;
  finishedBusyMs: number;
  finishedBusySquaresMs2: number;
  sequence: number;
};

export class QueueModel {
  readonly waitsMs: number[] = [];
  replicaMs = 0;
  busyMs = 0;
  completed = 0;
  arrived = 0;
  delivered = 0;
  nowMs = 0;
  private readonly options: ModelOptions;
  private queue: Job[] = [];
  private queueHead = 0;
  private replicas: Replica[] = [];
  private desired = 0;
  private created = 0;
  private dependencyFreeMs = 0;

  constructor(options: ModelOptions) {
    this.options = options;
  }

  get pending(): number {
    return this.queue.length - this.queueHead;
  }

  get running(): number {
    return this.replicas.reduce((sum, replica) => sum + replica.running.length, 0);
  }

  /** Lets time pass until `endMs`, with jobs arriving at the given times, in order. */
  advance(endMs: number, arrivalsMs: readonly number[]): void {
    const { random, serviceMs } = this.options;
    for (const arrivedMs of arrivalsMs) this.queue.push({ arrivedMs });
    this.arrived += arrivalsMs.length;
    for (;;) {
      const job = this.queue[this.queueHead];
      if (job === undefined) break;
      const free = this.earliestFree();
      if (free === undefined) break;
      const startedMs = Math.max(job.arrivedMs, free.atMs);
      if (startedMs >= endMs) break;
      this.finishUntil(free.replica, startedMs);
      const ownMs = random.exponential(typeof serviceMs === 'number' ? serviceMs : serviceMs(startedMs));
      const takesMs = this.waitForDependency(startedMs) + ownMs;
      free.replica.running.push({ startedMs, endsMs: startedMs + takesMs });
      free.replica.deliveries += 1;
      this.delivered += 1;
      this.busyMs += takesMs;
      this.waitsMs.push(startedMs - job.arrivedMs);
      this.queueHead += 1;
    }
    if (this.queueHead > 10_000) {
      this.queue = this.queue.slice(this.queueHead);
      this.queueHead = 0;
    }
    for (const replica of this.replicas) {
      const goneMs = replica.isLeaving
        ? Math.max(this.nowMs, ...replica.running.map((job) => job.endsMs))
        : endMs;
      this.replicaMs += Math.min(endMs, goneMs) - this.nowMs;
      this.finishUntil(replica, endMs);
    }
    this.replicas = this.replicas.filter(({ isLeaving, running }) => !isLeaving || running.length > 0);
    this.nowMs = endMs;
  }

  /** Asks for so many replicas. Idle ones leave first, then the youngest. */
  scale(desired: number): void {
    this.desired = desired;
    const staying = this.replicas.filter(({ isLeaving }) => !isLeaving);
    for (let count = staying.length; count < desired; count += 1) this.create();
    const victims = staying
      .toSorted((a, b) => a.running.length - b.running.length || b.createdMs - a.createdMs)
      .slice(0, Math.max(0, staying.length - desired));
    for (const victim of victims) victim.isLeaving = true;
    this.replicas = this.replicas.filter(({ isLeaving, running }) => !isLeaving || running.length > 0);
  }

  /** What the host would report. */
  workload(): WorkloadFacts {
    const replicas = this.replicas.map((replica): ReplicaFacts => {
      const isReady = this.isReady(replica);
      return {
        name: replica.name,
        state: replica.isLeaving
          ? 'terminating'
          : replica.isFailing
            ? 'failing'
            : isReady
              ? 'ready'
              : 'starting',
        ageMs: this.nowMs - replica.createdMs,
        startMs: isReady ? this.options.startMs : undefined,
        message: replica.isFailing ? 'exit code 1' : undefined,
      };
    });
    return { desired: this.desired, replicas };
  }

  heartbeats(): SourceObservation['heartbeats'] {
    if (!this.options.hasHeartbeats) return [];
    return this.replicas
      .filter((replica) => this.isReady(replica))
      .map((replica) => ({ atMs: this.nowMs, heartbeat: this.heartbeat(replica) }));
  }

  private heartbeat(replica: Replica): Heartbeat {
    const { slots } = this.options;
    replica.sequence += 1;
    const runningMs = replica.running.reduce((sum, { startedMs }) => sum + this.nowMs - startedMs, 0);
    const none = heartbeat().totals;
    return heartbeat({
      worker: replica.name,
      startedAtMs: replica.createdMs,
      sequence: replica.sequence,
      state: replica.isLeaving ? 'draining' : 'running',
      slots,
      busy: replica.running.length,
      oldestRunningMs: Math.max(0, ...replica.running.map(({ startedMs }) => this.nowMs - startedMs)),
      totals: {
        ...none,
        deliveries: replica.deliveries,
        firstDeliveries: replica.deliveries,
        succeeded: replica.succeeded,
        busySlotMs: replica.finishedBusyMs + runningMs,
        slotMs: slots * (this.nowMs - replica.readyMs),
      },
      service: {
        count: replica.succeeded,
        sumMs: replica.finishedBusyMs,
        sumSquaresMs2: replica.finishedBusySquaresMs2,
      },
    });
  }

  private create(): void {
    const { startMs, failsToStart } = this.options;
    const isFailing = failsToStart?.(this.nowMs) === true;
    this.created += 1;
    this.replicas.push({
      name: `replica-${this.created}`,
      createdMs: this.nowMs,
      readyMs: isFailing ? Infinity : this.nowMs + startMs,
      isFailing,
      isLeaving: false,
      running: [],
      succeeded: 0,
      deliveries: 0,
      finishedBusyMs: 0,
      finishedBusySquaresMs2: 0,
      sequence: 0,
    });
  }

  private isReady({ readyMs }: Replica): boolean {
    return readyMs <= this.nowMs;
  }

  private earliestFree(): { readonly replica: Replica; readonly atMs: number } | undefined {
    let best: { replica: Replica; atMs: number } | undefined;
    for (const replica of this.replicas) {
      if (replica.isLeaving || replica.isFailing) continue;
      const isFull = replica.running.length >= this.options.slots;
      const freeMs = isFull ? Math.min(...replica.running.map(({ endsMs }) => endsMs)) : this.nowMs;
      const atMs = Math.max(freeMs, replica.readyMs);
      if (best === undefined || atMs < best.atMs) best = { replica, atMs };
    }
    return best;
  }

  /** A job first takes its turn at the dependency, in the order of the starts. */
  private waitForDependency(startedMs: number): number {
    const { dependencyPerSecond } = this.options;
    if (dependencyPerSecond === undefined) return 0;
    const turnMs = Math.max(startedMs, this.dependencyFreeMs);
    this.dependencyFreeMs = turnMs + 1_000 / dependencyPerSecond(startedMs);
    return turnMs - startedMs;
  }

  private finishUntil(replica: Replica, untilMs: number): void {
    const finished = replica.running.filter(({ endsMs }) => endsMs <= untilMs);
    if (finished.length === 0) return;
    replica.running = replica.running.filter(({ endsMs }) => endsMs > untilMs);
    for (const { startedMs, endsMs } of finished) {
      replica.finishedBusyMs += endsMs - startedMs;
      replica.finishedBusySquaresMs2 += (endsMs - startedMs) ** 2;
    }
    replica.succeeded += finished.length;
    this.completed += finished.length;
  }
}
