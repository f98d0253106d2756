import type { NatsConnection } from '@nats-io/transport-node';
import { heartbeatSubject, heartbeatVersion } from '#common/heartbeat.ts';
import type { BreakerState, Heartbeat, WorkerState } from '#common/heartbeat.ts';
import type { LimitView } from '../handle/limits.ts';
import type { Window } from '../consume/window.ts';
import type { Counters } from './counters.ts';

/** Who speaks. */
export type Identity = {
  /** Unique per process. */
  readonly worker: string;
  readonly replica: string;
  readonly stream: string;
  readonly consumer: string;
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
};

export type Vitals = {
  readonly state: WorkerState;
  /** Undefined without a breaker. */
  readonly breaker: BreakerState | undefined;
  readonly window: Window;
  /** Keys that have work; 0 without lanes. */
  readonly lanes: number;
  readonly limits: readonly LimitView[];
  readonly counters: Counters;
  /** Time in slots of the jobs that run now, milliseconds. */
  readonly runningMs: number;
  readonly oldestRunningMs: number;
  /** Time that slots were open for jobs until now, milliseconds × slots. */
  readonly slotMs: number;
};

/** The heartbeat as docs/heartbeats.md describes it. Milliseconds are rounded: their fractions mean nothing. */
export function buildHeartbeat(identity: Identity, sequence: number, vitals: Vitals): Heartbeat {
  const { state, breaker, window, counters } = vitals;
  return {
    version: heartbeatVersion,
    ...identity,
    sequence,
    state,
    ...(breaker !== undefined && { breaker }),
    slots: window.slots - window.stuck,
    busy: window.running,
    buffered: window.buffered + window.waiting,
    stuck: window.stuck,
    oldestRunningMs: Math.round(vitals.oldestRunningMs),
    totals: {
      deliveries: counters.deliveries,
      firstDeliveries: counters.firstDeliveries,
      succeeded: counters.succeeded,
      retried: counters.retried,
      deadLettered: counters.deadLettered,
      timedOut: counters.timedOut,
      handedBack: counters.handedBack,
      leaseLost: counters.leaseLost,
      busySlotMs: Math.round(counters.busySlotMs + vitals.runningMs),
      slotMs: Math.round(vitals.slotMs),
    },
    service: {
      count: counters.serviceCount,
      sumMs: counters.serviceSumMs,
      sumSquaresMs2: counters.serviceSumSquaresMs2,
    },
    waits: counters.waitBuckets,
  };
}

export class HeartbeatPublisher {
  readonly #connection: NatsConnection;
  readonly #identity: Identity;
  readonly #subject: string;
  #sequence = 0;

  constructor(connection: NatsConnection, identity: Identity) {
    this.#connection = connection;
    this.#identity = identity;
    this.#subject = heartbeatSubject(identity.stream, identity.consumer);
  }

  /** A heartbeat that cannot be sent is lost, as any may be. */
  publish(vitals: Vitals): void {
    this.#sequence += 1;
    try {
      this.#connection.publish(
        this.#subject,
        JSON.stringify(buildHeartbeat(this.#identity, this.#sequence, vitals)),
      );
    } catch {
      // Closed, or closing.
    }
  }
}
