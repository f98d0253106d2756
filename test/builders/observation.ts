import type {
  ConsumerFacts,
  Observation,
  ReplicaFacts,
  Seen,
  SourceObservation,
  StreamFacts,
  WorkloadFacts,
} from '../../operator/observe/observation.ts';

/** The wall clock of the imagined server when the monotonic clock of the test shows 0. */
const serverStartMs = 1_760_000_000_000;

/** A consumer with nothing to do on a stream that has seen nothing; `stream` is merged, the other overrides win. */
export function consumer(
  atMs: number,
  overrides: Partial<Omit<ConsumerFacts, 'stream'>> & { readonly stream?: Partial<StreamFacts> } = {},
): ConsumerFacts {
  const { stream, ...rest } = overrides;
  return {
    createdMs: serverStartMs - 60_000,
    serverTimeMs: serverStartMs + atMs,
    leader: 'nats-1',
    paused: false,
    filtered: false,
    pending: 0,
    ackPending: 0,
    redelivered: 0,
    waiting: 0,
    deliveredConsumerSeq: 0,
    deliveredStreamSeq: 0,
    ackFloorStreamSeq: 0,
    maxAckPending: 1_000,
    ackWaitMs: 30_000,
    maxDeliver: -1,
    stream: {
      createdMs: serverStartMs - 90_000,
      firstSeq: 1,
      lastSeq: 0,
      messages: 0,
      maxMessages: -1,
      maxBytes: -1,
      discard: 'old',
      ...stream,
    },
    ...rest,
  };
}

export const seen = <T>(atMs: number, value: T): Seen<T> => ({ kind: 'seen', atMs, value });

export function source(
  atMs: number,
  facts: Parameters<typeof consumer>[1] = {},
  heartbeats: SourceObservation['heartbeats'] = [],
): SourceObservation {
  return { consumer: seen(atMs, consumer(atMs, facts)), heartbeats };
}

/** Replicas by state, named in order. */
export function workload(
  counts: Partial<Record<ReplicaFacts['state'], number>> = {},
  desired?: number,
): WorkloadFacts {
  const states = (Object.keys(counts) as ReplicaFacts['state'][]).flatMap((state) =>
    Array.from({ length: counts[state] ?? 0 }, () => state),
  );
  const replicas = states.map((state, index) => ({
    name: `replica-${index + 1}`,
    state,
    ageMs: 60_000,
    startMs: state === 'ready' ? 1_000 : undefined,
    revision: undefined,
    message: state === 'failing' || state === 'unschedulable' ? `it is ${state}` : undefined,
  }));
  return { desired: desired ?? states.filter((state) => state !== 'terminating').length, replicas };
}

/** One source with nothing to do, and no replicas; the overrides win. */
export function observation(atMs: number, overrides: Partial<Observation> = {}): Observation {
  return { atMs, sources: [source(atMs)], workload: seen(atMs, workload()), ...overrides };
}
