import { z } from 'zod';
import { describeError } from '#common/errors.ts';
import { TimeoutError } from '#common/nats.ts';
import type { NatsConnection } from '#common/nats.ts';
import { nanosToMs } from '#common/units.ts';
import type { ConsumerFacts, StreamFacts } from './observation.ts';

/** Longer than any healthy answer (p99 of some ms); short enough that one silent server costs a pool few periods. */
const requestTimeoutMs = 2_000;
/** In a consumer's metadata, with the value `managed`: max_ack_pending may be tuned whatever else stands there. */
const ackPendingMark = 'penstock.dev/ack-pending';
const longestOwner = 100;
const codeConsumerNotFound = 10014;
const codeStreamNotFound = 10059;

const count = z.number().int().nonnegative();
const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));

const consumerInfoSchema = z.object({
  created: time,
  ts: time,
  config: z.object({
    filter_subject: z.string().optional(),
    filter_subjects: z.array(z.string()).optional(),
    max_ack_pending: z.number().int().default(-1),
    ack_wait: z.number().nonnegative().default(0),
    max_deliver: z.number().int().default(-1),
    deliver_subject: z.string().optional(),
    ack_policy: z.string().default('explicit'),
    metadata: z.record(z.string(), z.string()).optional(),
  }),
  delivered: z.object({ consumer_seq: count, stream_seq: count }),
  ack_floor: z.object({ consumer_seq: count, stream_seq: count }),
  num_pending: count,
  num_ack_pending: count,
  num_redelivered: count,
  num_waiting: count,
  paused: z.boolean().default(false),
  cluster: z.object({ leader: z.string().optional() }).optional(),
});

const streamInfoSchema = z.object({
  created: time,
  config: z.object({
    max_msgs: z.number().int().default(-1),
    max_bytes: z.number().int().default(-1),
    discard: z.enum(['old', 'new']).default('old'),
  }),
  state: z.object({ first_seq: count, last_seq: count, messages: count }),
});

const apiErrorSchema = z.object({
  error: z.object({ err_code: z.number().optional(), description: z.string() }),
});

const pageSchema = z.object({
  total: count,
  // Each is read only if somebody watches it.
  consumers: z
    .array(z.unknown())
    .nullish()
    .transform((list) => list ?? []),
  missing: z
    .array(z.string())
    .nullish()
    .transform((list) => list ?? []),
});

export type ConsumerInfo = z.output<typeof consumerInfoSchema>;
export type ConsumerPage = {
  /** Consumers that the stream has. */
  readonly total: number;
  /** Consumers of this page. */
  readonly length: number;
  readonly consumers: ReadonlyMap<string | undefined, unknown>;
  readonly missing: ReadonlySet<string>;
};

export type Answer<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'absent'; readonly message: string }
  | { readonly kind: 'failed'; readonly message: string; readonly isTimeout: boolean };

/** One consumer by `INFO`: its leader answers, so the counters are current. */
export function askConsumer(
  connection: NatsConnection,
  stream: string,
  consumer: string,
): Promise<Answer<ConsumerInfo>> {
  return ask(connection, `$JS.API.CONSUMER.INFO.${stream}.${consumer}`, consumerInfoSchema);
}

/** Undefined when it cannot be read, or only against the rights; arrivals then come from the consumers alone. */
export async function askStream(
  connection: NatsConnection,
  stream: string,
): Promise<StreamFacts | undefined> {
  const answer = await ask(connection, `$JS.API.STREAM.INFO.${stream}`, streamInfoSchema);
  return answer.kind === 'ok' ? toStreamFacts(answer.value) : undefined;
}

/**
 * The consumers of a stream by `LIST`, a page from the offset on. In a cluster the server asks the leader of each
 * consumer, so the counters are as current as those of `INFO`; a consumer whose leader does not answer is `missing`,
 * and what a page may still hold of it counts for nothing.
 */
export async function askConsumerPage(
  connection: NatsConnection,
  stream: string,
  offset: number,
): Promise<Answer<ConsumerPage>> {
  const body = JSON.stringify({ offset });
  const answer = await ask(connection, `$JS.API.CONSUMER.LIST.${stream}`, pageSchema, body);
  if (answer.kind !== 'ok') return answer;
  const { total, consumers, missing } = answer.value;
  return {
    kind: 'ok',
    value: {
      total,
      length: consumers.length,
      consumers: new Map(consumers.map((raw) => [nameOf(raw), raw])),
      missing: new Set(missing),
    },
  };
}

/** Undefined for what is no consumer. */
function nameOf(raw: unknown): string | undefined {
  return typeof raw === 'object' && raw !== null && 'name' in raw && typeof raw.name === 'string'
    ? raw.name
    : undefined;
}

/** A consumer as a page of a list holds it. */
export function readListed(raw: unknown): Answer<ConsumerInfo> {
  return read('CONSUMER.LIST', raw, consumerInfoSchema);
}

async function ask<S extends z.ZodType>(
  connection: NatsConnection,
  subject: string,
  schema: S,
  body?: string,
): Promise<Answer<z.output<S>>> {
  let reply: unknown;
  try {
    const message = await connection.request(subject, body, { timeout: requestTimeoutMs });
    reply = message.json();
  } catch (error) {
    const isTimeout = error instanceof TimeoutError;
    return { kind: 'failed', message: `${subject}: ${describeError(error)}`, isTimeout };
  }
  const refused = apiErrorSchema.safeParse(reply);
  if (refused.success) {
    const { err_code: code, description } = refused.data.error;
    const isAbsent = code === codeConsumerNotFound || code === codeStreamNotFound;
    const message = `${subject}: ${description.slice(0, 200)}`;
    return isAbsent ? { kind: 'absent', message } : { kind: 'failed', message, isTimeout: false };
  }
  return read(subject, reply, schema);
}

function read<S extends z.ZodType>(subject: string, reply: unknown, schema: S): Answer<z.output<S>> {
  const parsed = schema.safeParse(reply);
  if (parsed.success) return { kind: 'ok', value: parsed.data };
  const field = parsed.error.issues[0]?.path.join('.') ?? '';
  const message = `${subject}: the answer has no valid "${field}"`;
  return { kind: 'failed', message, isTimeout: false };
}

export function toFacts(info: ConsumerInfo, stream: StreamFacts | undefined): ConsumerFacts {
  return {
    createdMs: info.created,
    serverTimeMs: info.ts,
    leader: info.cluster?.leader,
    paused: info.paused,
    filtered: (info.config.filter_subject ?? '') !== '' || (info.config.filter_subjects ?? []).length > 0,
    pending: info.num_pending,
    ackPending: info.num_ack_pending,
    redelivered: info.num_redelivered,
    waiting: info.num_waiting,
    deliveredConsumerSeq: info.delivered.consumer_seq,
    deliveredStreamSeq: info.delivered.stream_seq,
    ackFloorStreamSeq: info.ack_floor.stream_seq,
    maxAckPending: info.config.max_ack_pending,
    ...ownerOf(info.config.metadata ?? {}),
    ackWaitMs: nanosToMs(info.config.ack_wait),
    maxDeliver: info.config.max_deliver,
    stream,
  };
}

/** Why replicas cannot work on a consumer, whatever it holds; undefined when they can. */
export function whyUnusable({ config }: ConsumerInfo): string | undefined {
  if ((config.deliver_subject ?? '') !== '') {
    return 'it is a push consumer, whose messages go to whoever subscribes; make a pull consumer for the workers';
  }
  if (config.ack_policy !== 'explicit') {
    return `its ack policy is "${config.ack_policy}", which does not tell when a job is done; make one with ack policy explicit`;
  }
  return undefined;
}

/** Whoever writes metadata on a consumer may write its limits again, too; the server's own says nothing. */
function ownerOf(metadata: Readonly<Record<string, string>>): { owner?: string } {
  if (metadata[ackPendingMark] === 'managed') return {};
  const owner = Object.keys(metadata).find((key) => !key.startsWith('_nats.') && key !== ackPendingMark);
  return owner === undefined ? {} : { owner: owner.slice(0, longestOwner) };
}

function toStreamFacts({ created, config, state }: z.output<typeof streamInfoSchema>): StreamFacts {
  return {
    createdMs: created,
    firstSeq: state.first_seq,
    lastSeq: state.last_seq,
    messages: state.messages,
    maxMessages: config.max_msgs,
    maxBytes: config.max_bytes,
    discard: config.discard,
  };
}
