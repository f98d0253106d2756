import { parseJson } from '../consume/job.ts';
import type { Job } from '../consume/job.ts';

/** A job as a test describes it; all of it has a default. */
export type GivenJob = {
  /** Bytes and text as they are, anything else as JSON. Default: empty. */
  readonly payload?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default `jobs.test`. */
  readonly subject?: string;
  /** Default `JOBS`. */
  readonly stream?: string;
  /** Default 1. */
  readonly sequence?: number;
  /** Default 1. */
  readonly attempt?: number;
  /** Default: the attempt. */
  readonly deliveries?: number;
  /** Default: now. */
  readonly publishedAt?: Date;
  /** Default: the header `Nats-Msg-Id`, else `stream:sequence`, as in the worker. */
  readonly idempotencyKey?: string;
};

export function toJob(given: GivenJob): Job {
  const {
    subject = 'jobs.test',
    stream = 'JOBS',
    sequence = 1,
    attempt = 1,
    publishedAt = new Date(),
  } = given;
  const data = toBytes(given.payload);
  const headers = new Map(
    Object.entries(given.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  );
  const place = { stream, sequence };
  return {
    ...place,
    data,
    headers,
    subject,
    attempt,
    deliveries: given.deliveries ?? attempt,
    publishedAt,
    idempotencyKey: given.idempotencyKey ?? headers.get('nats-msg-id') ?? `${stream}:${sequence}`,
    json: () => parseJson(place, data),
  };
}

function toBytes(payload: unknown): Uint8Array<ArrayBuffer> {
  if (payload instanceof Uint8Array) return new Uint8Array(payload);
  if (payload === undefined) return new Uint8Array();
  return new TextEncoder().encode(typeof payload === 'string' ? payload : JSON.stringify(payload));
}
