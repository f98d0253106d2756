import { z } from 'zod';
import type { Clock } from '#common/clock.ts';
import { describeError } from '#common/errors.ts';
import type { NatsConnection } from '#common/nats.ts';
import { nanosToMs } from '#common/units.ts';
import type { ConsumerFacts, Seen, StreamFacts } from './observation.ts';

/** Longer than any healthy answer (p99 of some ms); short enough that one silent server costs a pool few periods. */
const requestTimeoutMs = 2_000;
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

type Answer<T> =
  { kind: 'ok'; value: T } | { kind: 'absent'; message: string } | { kind: 'failed'; message: string };

/**
 * The state of one consumer and its stream. The consumer's leader answers, so the counters are current; no answer,
 * or one that makes no sense, is `unseen` and never a number.
 */
export async function observeConsumer(
  connection: NatsConnection,
  clock: Clock,
  { stream, consumer }: { stream: string; consumer: string },
): Promise<Seen<ConsumerFacts>> {
  const [consumerInfo, streamInfo] = await Promise.all([
    ask(connection, `$JS.API.CONSUMER.INFO.${stream}.${consumer}`, consumerInfoSchema),
    ask(connection, `$JS.API.STREAM.INFO.${stream}`, streamInfoSchema),
  ]);
  if (consumerInfo.kind === 'absent') return { kind: 'absent', message: consumerInfo.message };
  if (consumerInfo.kind === 'failed') return { kind: 'unseen', message: consumerInfo.message };
  const facts = toFacts(consumerInfo.value, streamInfo.kind === 'ok' ? streamInfo.value : undefined);
  return { kind: 'seen', atMs: clock.monotonicMs(), value: facts };
}

async function ask<S extends z.ZodType>(
  connection: NatsConnection,
  subject: string,
  schema: S,
): Promise<Answer<z.output<S>>> {
  let reply: unknown;
  try {
    const message = await connection.request(subject, undefined, { timeout: requestTimeoutMs });
    reply = message.json();
  } catch (error) {
    return { kind: 'failed', message: `${subject}: ${describeError(error)}` };
  }
  const refused = apiErrorSchema.safeParse(reply);
  if (refused.success) {
    const { err_code: code, description } = refused.data.error;
    const isAbsent = code === codeConsumerNotFound || code === codeStreamNotFound;
    return { kind: isAbsent ? 'absent' : 'failed', message: `${subject}: ${description.slice(0, 200)}` };
  }
  const parsed = schema.safeParse(reply);
  if (parsed.success) return { kind: 'ok', value: parsed.data };
  const field = parsed.error.issues[0]?.path.join('.') ?? '';
  return { kind: 'failed', message: `${subject}: the answer has no valid "${field}"` };
}

function toFacts(
  info: z.output<typeof consumerInfoSchema>,
  stream: z.output<typeof streamInfoSchema> | undefined,
): ConsumerFacts {
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
    ackWaitMs: nanosToMs(info.config.ack_wait),
    maxDeliver: info.config.max_deliver,
    stream: stream === undefined ? undefined : toStreamFacts(stream),
  };
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
