import type { Heartbeat } from '#common/heartbeat.ts';

/**
 * Facts of one pass over one pool, parsed, without arithmetic. What could not be seen is not zero: it is `unseen`
 * (asking failed; nothing is known) or `absent` (the answer was that it does not exist).
 */
export type Observation = {
  /** Monotonic time of the pass, milliseconds. */
  readonly atMs: number;
  /** In the order of the policy's sources. */
  readonly sources: readonly SourceObservation[];
  readonly workload: Seen<WorkloadFacts>;
};

export type Seen<T> =
  | { readonly kind: 'seen'; readonly atMs: number; readonly value: T }
  | { readonly kind: 'absent'; readonly message: string }
  | { readonly kind: 'unseen'; readonly message: string };

export type SourceObservation = {
  readonly consumer: Seen<ConsumerFacts>;
  /** The latest heartbeat of each process that was heard from lately, with the monotonic time of its arrival. */
  readonly heartbeats: readonly { readonly atMs: number; readonly heartbeat: Heartbeat }[];
};

/** From `$JS.API.CONSUMER.INFO`, which the consumer's leader answers, and the stream's state beside it. */
export type ConsumerFacts = {
  /** Creation time of the consumer, milliseconds since 1970: another value is another consumer. */
  readonly createdMs: number;
  /** The server's own clock when it answered, milliseconds since 1970. */
  readonly serverTimeMs: number;
  /** Name of the leading server; undefined on a single server. */
  readonly leader: string | undefined;
  readonly paused: boolean;
  /** Whether the consumer sees only some subjects of its stream. */
  readonly filtered: boolean;
  /** Matching messages never delivered. */
  readonly pending: number;
  /** Delivered and unresolved: running, buffered, waiting for a retry, or held by a dead worker. */
  readonly ackPending: number;
  /** Messages now tracked with more than one delivery. A gauge, never a rate. */
  readonly redelivered: number;
  /** Open pull requests. */
  readonly waiting: number;
  /** Grows by one with every delivery, redeliveries included. */
  readonly deliveredConsumerSeq: number;
  readonly deliveredStreamSeq: number;
  readonly ackFloorStreamSeq: number;
  /** -1 is unlimited. */
  readonly maxAckPending: number;
  /** What in the consumer's metadata says that somebody else manages it. */
  readonly owner?: string;
  readonly ackWaitMs: number;
  /** -1 is unlimited. */
  readonly maxDeliver: number;
  /** Undefined when the stream's state could not be read; arrivals then come from the consumer alone. */
  readonly stream: StreamFacts | undefined;
};

export type StreamFacts = {
  readonly createdMs: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly messages: number;
  /** -1 is unlimited. */
  readonly maxMessages: number;
  /** -1 is unlimited. */
  readonly maxBytes: number;
  /** What is given up when a limit is reached: the oldest messages, or new ones, which producers are told. */
  readonly discard: 'old' | 'new';
};

export type WorkloadFacts = {
  /** What the workload was asked for last. */
  readonly desired: number;
  readonly replicas: readonly ReplicaFacts[];
};

export type ReplicaFacts = {
  readonly name: string;
  /** `failing`: started and ended too soon, waits for its restart. `unschedulable`: no room for it. */
  readonly state: 'starting' | 'ready' | 'terminating' | 'failing' | 'unschedulable';
  /** Time since it was created, milliseconds. */
  readonly ageMs: number;
  /** From creation to ready; undefined until then. */
  readonly startMs: number | undefined;
  /** Of the template that it was made from; undefined where that is not told. */
  readonly revision: string | undefined;
  /** Why it is failing or unschedulable. */
  readonly message: string | undefined;
};
