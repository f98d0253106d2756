import type { NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import { PenstockError, describeError } from '#common/errors.ts';

const requestTimeoutMs = 2_000;

/** Error codes of the JetStream API that the worker tells apart (nats-server, server/errors.json). */
export const apiErrors = {
  consumerNotFound: 10014,
  streamNotFound: 10059,
  streamNameInUse: 10058,
  streamSubjectsOverlap: 10065,
  /** The second one hides the number that is there. */
  wrongLastSequence: [10071, 10164],
} as const;

const replySchema = z.looseObject({
  error: z
    .object({
      code: z.number().optional(),
      err_code: z.number().optional(),
      description: z.string().optional(),
    })
    .optional(),
});

/** The JetStream API answered with an error. `errorCode` is the server's own number for it, 0 when it gave none. */
export class JetStreamError extends PenstockError {
  readonly errorCode: number;

  constructor(subject: string, errorCode: number, description: string) {
    super('JetStreamRefused', `${subject}: ${description} (${errorCode})`, { retryable: true });
    this.errorCode = errorCode;
  }
}

/**
 * One request to the JetStream API. The worker needs three of them, which is why it does without the JetStream client.
 *
 * @param subject without the prefix `$JS.API.`
 * @throws JetStreamError when the server says no; PenstockError `JetStreamUnreachable`, retryable, when it says nothing
 *   or something that is no JSON object.
 */
export async function requestApi(
  connection: NatsConnection,
  subject: string,
  payload: object = {},
): Promise<Record<string, unknown>> {
  let reply: z.infer<typeof replySchema>;
  try {
    const message = await connection.request(`$JS.API.${subject}`, JSON.stringify(payload), {
      timeout: requestTimeoutMs,
    });
    reply = replySchema.parse(message.json());
  } catch (error) {
    throw new PenstockError(
      'JetStreamUnreachable',
      `${subject} got no usable reply: ${describeError(error)}`,
      { retryable: true, cause: error },
    );
  }
  if (reply.error === undefined) return reply;
  const { err_code: errorCode = 0, description = 'refused without a reason' } = reply.error;
  throw new JetStreamError(subject, errorCode, description.slice(0, 500));
}
