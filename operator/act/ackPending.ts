import { z } from 'zod';
import { describeError } from '#common/errors.ts';
import type { NatsConnection } from '#common/nats.ts';
import type { AckPendingChange } from '../decide/decision.ts';
import type { AckPendingOutcome } from '../decide/ackPendingState.ts';

/** A consumer of a change, and the connection to it; undefined when there is none now. */
export type Reach = (
  source: number,
) => { readonly connection: NatsConnection; readonly stream: string; readonly consumer: string } | undefined;

const timeoutMs = 2_000;

const answerSchema = z.looseObject({
  error: z.looseObject({ description: z.string() }).optional(),
  config: z.looseObject({ max_ack_pending: z.number().optional() }).optional(),
});

/** Writes limits, each on the exact configuration that was just read. A failure is a value, for the next pass to see. */
export async function writeAckPending(
  changes: readonly AckPendingChange[],
  reach: Reach,
): Promise<readonly AckPendingOutcome[]> {
  return Promise.all(changes.map((change) => write(change, reach)));
}

async function write(change: AckPendingChange, reach: Reach): Promise<AckPendingOutcome> {
  const place = reach(change.source);
  if (place === undefined) return { ...change, kind: 'conflict' };
  const { connection, stream, consumer } = place;
  try {
    const { config } = await ask(connection, `$JS.API.CONSUMER.INFO.${stream}.${consumer}`);
    if (config?.max_ack_pending !== change.from) return { ...change, kind: 'conflict' };
    await ask(connection, `$JS.API.CONSUMER.CREATE.${stream}.${consumer}`, {
      stream_name: stream,
      config: { ...config, max_ack_pending: change.to },
      action: 'update',
    });
    return { ...change, kind: 'written' };
  } catch (error) {
    const message = describeError(error);
    const isForbidden = /permissions? violation/i.test(message);
    const advice = isForbidden
      ? `allow the operator to publish to $JS.API.CONSUMER.CREATE.${stream}.${consumer}: `
      : '';
    return {
      ...change,
      kind: 'failed',
      reason: isForbidden ? 'WriteForbidden' : 'WriteFailed',
      message: advice + message,
    };
  }
}

async function ask(
  connection: NatsConnection,
  subject: string,
  body?: unknown,
): Promise<z.output<typeof answerSchema>> {
  const message = await connection.request(subject, body === undefined ? undefined : JSON.stringify(body), {
    timeout: timeoutMs,
  });
  const answer = answerSchema.parse(message.json());
  if (answer.error !== undefined) throw new Error(`${subject}: ${answer.error.description.slice(0, 200)}`);
  return answer;
}
