import type { NatsConnection } from '@nats-io/transport-node';
import { heartbeatLimits, heartbeatSubject, heartbeatVersion } from '#common/heartbeat.ts';
import type { BreakerState, FeatureFigures, Heartbeat, WorkerState } from '#common/heartbeat.ts';
import type { ThreadFigures } from '../handle/host.ts';
import type { LimitView } from '../handle/limits.ts';
import type { Window } from '../consume/window.ts';
import type { PublisherStats } from '../produce/publisher.ts';
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
  /** Quick retries that are granted now; undefined without a budget. */
  readonly retryBudgetLeft: number | undefined;
  /** Slots that keep something now. */
  readonly slotStates: number;
  /** Of what jobs publish; undefined until one does. */
  readonly published: PublisherStats | undefined;
  /** Undefined unless jobs run in threads. */
  readonly threads: ThreadFigures | undefined;
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
  const features = figuresOf(vitals);
  return {
    version: heartbeatVersion,
    ...identity,
    sequence,
    state,
    ...(breaker !== undefined && { breaker }),
    slots: window.openSlots,
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
    ...(Object.keys(features).length > 0 && { features }),
  };
}

/** A group without a figure above 0 is left out: most workers use few features, and every worker sends each second. */
function figuresOf(vitals: Vitals): FeatureFigures {
  const { counters: c, published, retryBudgetLeft, slotStates, lanes, threads } = vitals;
  const limits = vitals.limits.slice(0, heartbeatLimits.most).map(limitFigures);
  return {
    ...told({ lanes: { keys: lanes, waits: c.laneWaits, retriedInPlace: c.retriedInPlace } }),
    ...told({ rates: { waits: c.rateWaits, waitMs: Math.round(c.rateWaitMs) } }),
    ...told({ overload: { rejected: c.rejected, expired: c.expired } }),
    // That nothing is left is worth telling.
    ...(retryBudgetLeft !== undefined && {
      retryBudget: { left: retryBudgetLeft, delayed: c.retriesDelayed },
    }),
    ...(limits.length > 0 && { limits }),
    ...told({ singleFlights: { led: c.flightsLed, shared: c.flightsShared, unguarded: c.flightsUnguarded } }),
    ...told({
      duplicates: {
        skipped: c.duplicatesSkipped,
        unknown: c.duplicatesUnknown,
        unrecorded: c.duplicatesUnrecorded,
      },
    }),
    ...told({ batches: { calls: c.batches, full: c.fullBatches } }),
    ...(published !== undefined && { published: publishedFigures(published) }),
    ...(threads !== undefined && { threads }),
    ...(c.reprieved > 0 && { reprieved: c.reprieved }),
    ...(slotStates > 0 && { slotStates }),
  };
}

/** Nothing, unless there is a figure above 0. */
const told = <T extends Readonly<Record<string, Readonly<Record<string, number>>>>>(group: T): Partial<T> =>
  Object.values(group).some((figures) => Object.values(figures).some((n) => n > 0)) ? group : {};

function limitFigures({ name, capacity, used, waiting, waits, waitMs }: LimitView) {
  return {
    name: name.slice(0, heartbeatLimits.nameChars),
    size: capacity,
    // Sums of fractions may fall below 0 by a hair.
    used: Math.max(0, Math.round(used * 1_000) / 1_000),
    waiting,
    waits,
    waitMs: Math.round(waitMs),
  };
}

function publishedFigures({ inFlight, waiting, stored, failed }: PublisherStats) {
  return { inFlight, waiting, stored, failed };
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
