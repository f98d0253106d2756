import type { Clock } from '#common/clock.ts';
import {
  heartbeatIntervalMs,
  heartbeatMaxBytes,
  heartbeatSchema,
  heartbeatSubject,
} from '#common/heartbeat.ts';
import type { Heartbeat } from '#common/heartbeat.ts';
import type { NatsConnection, Subscription } from '#common/nats.ts';
import type { SourceObservation } from './observation.ts';

type Heard = SourceObservation['heartbeats'][number];

/** What is heard of one consumer, by worker. */
type Ear = {
  readonly workers: Map<string, Heard>;
  readonly subscription: Subscription;
  askedMs: number;
};
const nobody: readonly Heard[] = [];

/** A worker that has been silent for longer is not reported any more. */
const rememberedMs = 5 * heartbeatIntervalMs;
/** A consumer that nobody has asked about for so long is not listened to any more. */
const unusedAfterMs = 60_000;
/** Beyond this many workers of one consumer at a time, new ones are not listened to. */
const maxWorkersPerSource = 10_000;

/**
 * The latest heartbeat of each worker, by consumer. Anybody who may publish on the subject can claim anything, so
 * what does not parse, is too long, goes back in sequence or speaks for another consumer is dropped and counted,
 * and memory is bounded.
 */
export class HeartbeatListener {
  readonly #connection: NatsConnection;
  readonly #clock: Clock;
  readonly #ears = new Map<string, Ear>();
  #sweptMs = 0;
  #dropped = 0;

  constructor(connection: NatsConnection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
  }

  /** Heartbeats that were dropped since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  /** What was heard lately; the first call for a consumer starts listening to it. */
  latest(stream: string, consumer: string): readonly Heard[] {
    const { workers } = this.#ear(stream, consumer);
    return workers.size === 0 ? nobody : [...workers.values()];
  }

  /** Whether anybody was heard lately. */
  isHeard(stream: string, consumer: string): boolean {
    return this.#ear(stream, consumer).workers.size > 0;
  }

  /** With those forgotten that have been silent for too long. */
  #ear(stream: string, consumer: string): Ear {
    const subject = heartbeatSubject(stream, consumer);
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#sweptMs > unusedAfterMs) this.#stopUnused(nowMs);
    let ear = this.#ears.get(subject);
    if (ear === undefined) {
      ear = this.#listen(subject, stream, consumer);
      this.#ears.set(subject, ear);
    }
    ear.askedMs = nowMs;
    for (const [worker, { atMs }] of ear.workers) {
      if (nowMs - atMs > rememberedMs) ear.workers.delete(worker);
    }
    return ear;
  }

  #listen(subject: string, stream: string, consumer: string): Ear {
    const workers = new Map<string, Heard>();
    const subscription = this.#connection.subscribe(subject, {
      callback: (error, message) => {
        const heartbeat = error === null ? parseHeartbeat(message.data) : undefined;
        if (heartbeat?.stream !== stream || heartbeat.consumer !== consumer) this.#dropped += 1;
        else this.#take(workers, heartbeat);
      },
    });
    return { workers, subscription, askedMs: 0 };
  }

  #stopUnused(nowMs: number): void {
    this.#sweptMs = nowMs;
    for (const [subject, { subscription, askedMs }] of this.#ears) {
      if (nowMs - askedMs <= unusedAfterMs) continue;
      subscription.unsubscribe();
      this.#ears.delete(subject);
    }
  }

  #take(workers: Map<string, Heard>, heartbeat: Heartbeat): void {
    const before = workers.get(heartbeat.worker)?.heartbeat;
    const isOld = before?.startedAtMs === heartbeat.startedAtMs && before.sequence >= heartbeat.sequence;
    if (isOld || (before === undefined && workers.size >= maxWorkersPerSource)) this.#dropped += 1;
    else workers.set(heartbeat.worker, { atMs: this.#clock.monotonicMs(), heartbeat });
  }
}

function parseHeartbeat(data: Uint8Array): Heartbeat | undefined {
  if (data.length > heartbeatMaxBytes) return undefined;
  try {
    const parsed = heartbeatSchema.safeParse(JSON.parse(new TextDecoder().decode(data)));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined; // Not JSON.
  }
}
