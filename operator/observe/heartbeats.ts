import type { Clock } from '#common/clock.ts';
import {
  heartbeatIntervalMs,
  heartbeatMaxBytes,
  heartbeatSchema,
  heartbeatSubject,
} from '#common/heartbeat.ts';
import type { Heartbeat } from '#common/heartbeat.ts';
import type { NatsConnection } from '#common/nats.ts';
import type { SourceObservation } from './observation.ts';

type Heard = SourceObservation['heartbeats'][number];

/** A worker that has been silent for longer is not reported any more. */
const rememberedMs = 5 * heartbeatIntervalMs;
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
  readonly #bySubject = new Map<string, Map<string, Heard>>();
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
    const subject = heartbeatSubject(stream, consumer);
    const workers = this.#bySubject.get(subject) ?? this.#listen(subject, stream, consumer);
    const oldestMs = this.#clock.monotonicMs() - rememberedMs;
    for (const [worker, { atMs }] of workers) if (atMs < oldestMs) workers.delete(worker);
    return [...workers.values()];
  }

  #listen(subject: string, stream: string, consumer: string): Map<string, Heard> {
    const workers = new Map<string, Heard>();
    this.#bySubject.set(subject, workers);
    this.#connection.subscribe(subject, {
      callback: (error, message) => {
        const heartbeat = error === null ? parseHeartbeat(message.data) : undefined;
        if (heartbeat?.stream !== stream || heartbeat.consumer !== consumer) this.#dropped += 1;
        else this.#take(workers, heartbeat);
      },
    });
    return workers;
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
