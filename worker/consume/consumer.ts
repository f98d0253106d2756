import type { NatsConnection } from '@nats-io/transport-node';
import { PenstockError, describeError } from '#common/errors.ts';
import type { Logger } from '#common/log.ts';
import { sleep } from '#common/sleep.ts';
import { msToNanos, nanosToMs } from '#common/units.ts';
import { JetStreamError, apiErrors, requestApi } from '../jetstream/api.ts';
import type { AdmissionPolicy } from './admissionPolicy.ts';
import { ackWaitMs, checkFit, consumerInfoSchema } from './fit.ts';
import type { ConsumerInfo, Needs } from './fit.ts';
import type { PullLimits } from './pull.ts';

/** Room for the pulls of some hundred replicas; cannot be changed later. */
const createdMaxWaiting = 2_048;
const firstRetryMs = 100;
const maxRetryMs = 1_000;

/** The consumer as the pull loop and the leases see it. */
export type Consumer = PullLimits & {
  readonly ackWaitMs: number;
};

export type ConsumerSettings = Needs & {
  readonly stream: string;
  readonly consumer: string;
  /** Undefined leaves creating it to others. */
  readonly create: { readonly ackWaitMs: number; readonly maxAckPending: number } | undefined;
};

/** What is wanted of one of the consumers that a worker names; of several, each may fill its share of the slots. */
export function consumerSettings(
  settings: Omit<ConsumerSettings, 'consumer' | 'maxWaiting'> & {
    readonly consumers: readonly string[];
    readonly admission: AdmissionPolicy | undefined;
  },
  index: number,
): ConsumerSettings {
  const { stream, consumers, create, maxAttempts, admission } = settings;
  const maxWaiting = admission?.key === undefined ? 0 : admission.maxWaiting;
  const slots = Math.ceil(settings.slots / consumers.length);
  return { stream, consumer: consumers[index] ?? '', create, maxAttempts, slots, maxWaiting };
}

/**
 * Looks for the consumer until it is there, asking once a second at most; creates it when the settings say so.
 *
 * @param mustFit true: a consumer that cannot be served ends the wait; false: it may still be replaced by a better one.
 * @returns undefined when `signal` was aborted first.
 * @throws PenstockError `ConsumerUnfit`, naming everything that does not fit.
 */
export async function awaitConsumer(
  connection: NatsConnection,
  settings: ConsumerSettings,
  options: { readonly mustFit: boolean; readonly signal: AbortSignal; readonly log: Logger },
): Promise<Consumer | undefined> {
  const { signal, log } = options;
  let lastMessage = '';
  for (let delayMs = firstRetryMs; !signal.aborted; delayMs = Math.min(2 * delayMs, maxRetryMs)) {
    try {
      const info = await findOrCreate(connection, settings);
      return compile(info, settings, log);
    } catch (error) {
      const fatal = !(error instanceof PenstockError && error.retryable);
      if (fatal && options.mustFit) throw error;
      const message = describeError(error);
      // Once per cause: the loop may run for hours.
      if (message !== lastMessage) log.warn({ error: message }, 'waiting for the consumer');
      lastMessage = message;
    }
    await sleep(delayMs, signal);
  }
  return undefined;
}

/** @throws PenstockError as `requestApi`, or `JetStreamUnreachable` when the reply has not the expected shape. */
export async function readConsumerInfo(
  connection: NatsConnection,
  { stream, consumer }: Pick<ConsumerSettings, 'stream' | 'consumer'>,
): Promise<ConsumerInfo> {
  return parseInfo(await requestApi(connection, `CONSUMER.INFO.${stream}.${consumer}`));
}

async function findOrCreate(connection: NatsConnection, settings: ConsumerSettings): Promise<ConsumerInfo> {
  try {
    return await readConsumerInfo(connection, settings);
  } catch (error) {
    const missing = error instanceof JetStreamError && error.errorCode === apiErrors.consumerNotFound;
    if (!missing || settings.create === undefined) throw error;
  }
  const { stream, consumer, create } = settings;
  // Creating an equal consumer twice succeeds, so replicas that start together need no lock.
  return parseInfo(
    await requestApi(connection, `CONSUMER.CREATE.${stream}.${consumer}`, {
      stream_name: stream,
      action: 'create',
      config: durableConfig(consumer, create),
    }),
  );
}

/** A consumer as workers like it, in the words of the server. */
export function durableConfig(
  name: string,
  { ackWaitMs, maxAckPending }: { readonly ackWaitMs: number; readonly maxAckPending: number },
): object {
  return {
    durable_name: name,
    name,
    ack_policy: 'explicit',
    deliver_policy: 'all',
    replay_policy: 'instant',
    ack_wait: msToNanos(ackWaitMs),
    max_ack_pending: maxAckPending,
    max_deliver: -1,
    max_waiting: createdMaxWaiting,
  };
}

function parseInfo(reply: unknown): ConsumerInfo {
  const parsed = consumerInfoSchema.safeParse(reply);
  if (parsed.success) return parsed.data;
  throw new PenstockError(
    'JetStreamUnreachable',
    `the server's consumer info has an unknown shape: ${parsed.error.issues[0]?.path.join('.') ?? ''}`,
    { retryable: true, cause: parsed.error },
  );
}

function compile(info: ConsumerInfo, settings: ConsumerSettings, log: Logger): Consumer {
  const { faults, warnings } = checkFit(info, settings);
  if (faults.length > 0) {
    throw new PenstockError(
      'ConsumerUnfit',
      `consumer ${settings.consumer} of stream ${settings.stream} does not fit: ${faults.join('; ')}`,
    );
  }
  for (const warning of warnings) log.warn({ warning }, 'the consumer is not set up well');
  const { config } = info;
  return {
    ackWaitMs: ackWaitMs(config),
    maxBatch: config.max_batch > 0 ? config.max_batch : Number.MAX_SAFE_INTEGER,
    maxExpiresMs: config.max_expires > 0 ? nanosToMs(config.max_expires) : Number.MAX_SAFE_INTEGER,
  };
}
