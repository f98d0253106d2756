import type { Heartbeat } from '#common/heartbeat.ts';
import type { ConsumerFacts, ReplicaFacts } from '../observe/observation.ts';

/** What of a model an operator could see: the same facts that a consumer, a host and workers give. */

export type Replica = {
  readonly name: string;
  readonly createdMs: number;
  readyMs: number;
  isFailing: boolean;
  /** Its slots are this one and those that follow. */
  readonly firstSlot: number;
  isLeaving: boolean;
  /** Jobs that run, redelivered ones among them, and the sum and the longest of their ages, at the last look. */
  busy: number;
  redelivered: number;
  agesMs: number;
  oldestMs: number;
  succeeded: number;
  retried: number;
  deadLettered: number;
  deliveries: number;
  firstDeliveries: number;
  finishedBusyMs: number;
  successMs: number;
  successSquaresMs2: number;
  sequence: number;
};

/** A queue in front of replicas, as its consumer counts it. */
type Counted = {
  readonly nowMs: number;
  readonly arrived: number;
  readonly pending: number;
  readonly ackPending: number;
  readonly redelivered: number;
  readonly delivered: { readonly all: number; readonly first: number };
  readonly completed: number;
  readonly deadLettered: number;
  readonly isPaused: boolean;
  readonly ackWaitMs: number;
  readonly options: { readonly maxAckPending?: number; readonly maxDeliver?: number };
};

/** Where simulated time begins for those that want a date. */
const epochMs = 1_760_000_000_000;

export function consumerFacts(model: Counted): ConsumerFacts {
  const { pending, ackPending, isPaused, nowMs, delivered, options } = model;
  return {
    createdMs: epochMs,
    serverTimeMs: epochMs + nowMs,
    leader: undefined,
    paused: isPaused,
    filtered: false,
    pending,
    ackPending,
    redelivered: model.redelivered,
    waiting: pending === 0 || isPaused ? 1 : 0,
    deliveredConsumerSeq: delivered.all,
    deliveredStreamSeq: delivered.first,
    ackFloorStreamSeq: model.completed + model.deadLettered,
    maxAckPending: options.maxAckPending ?? -1,
    ackWaitMs: model.ackWaitMs,
    maxDeliver: options.maxDeliver ?? -1,
    stream: {
      createdMs: epochMs,
      firstSeq: 1,
      lastSeq: model.arrived,
      messages: pending + ackPending,
      maxMessages: -1,
      maxBytes: -1,
      discard: 'old',
    },
  };
}

export function replicaFacts(replica: Replica, nowMs: number): ReplicaFacts {
  const { createdMs, readyMs, isFailing, isLeaving } = replica;
  const isReady = readyMs <= nowMs;
  const standing = isFailing ? 'failing' : isReady ? 'ready' : 'starting';
  return {
    name: replica.name,
    state: isLeaving ? 'terminating' : standing,
    ageMs: nowMs - createdMs,
    startMs: isReady ? readyMs - createdMs : undefined,
    revision: undefined,
    message: isFailing ? 'exit code 1' : undefined,
  };
}

export function heartbeat(replica: Replica, nowMs: number, slots: number): Heartbeat {
  replica.sequence += 1;
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
    busy: replica.busy,
    buffered: 0,
    stuck: 0,
    oldestRunningMs: replica.oldestMs,
    totals: {
      deliveries: replica.deliveries,
      firstDeliveries: replica.firstDeliveries,
      succeeded: replica.succeeded,
      retried: replica.retried,
      deadLettered: replica.deadLettered,
      timedOut: 0,
      handedBack: 0,
      leaseLost: 0,
      busySlotMs: replica.finishedBusyMs + replica.agesMs,
      slotMs: slots * (nowMs - replica.readyMs),
    },
    service: {
      count: replica.succeeded,
      sumMs: replica.successMs,
      sumSquaresMs2: replica.successSquaresMs2,
    },
  };
}
