import { headers } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import { PenstockError, describeError } from '#common/errors.ts';
import { msToNanos } from '#common/units.ts';
import { apiErrors } from './api.ts';
import type { WantedStream } from './ensureStream.ts';

const requestTimeoutMs = 2_000;
const longestDuplicateWindowMs = 120_000;

export type Entry = {
  readonly value: string;
  /** Grows with each write of the bucket. */
  readonly revision: number;
};

export type Write = {
  /** The revision that it replaces, 0 for none; undefined writes in any case. */
  readonly after?: number;
  /** The entry is gone after so many seconds, at least 1. Default: when the bucket says so. */
  readonly ttlSeconds?: number;
};

/** The stream behind a key-value bucket, as every NATS client makes it (ADR-8 of NATS). */
export function bucketStream(
  bucket: string,
  { holds, create, maxAgeMs }: { holds: string; create: boolean; maxAgeMs: number },
): WantedStream {
  return {
    name: `KV_${bucket}`,
    holds,
    create,
    config: {
      subjects: [`$KV.${bucket}.>`],
      retention: 'limits',
      storage: 'file',
      discard: 'new',
      max_msgs_per_subject: 1,
      max_age: msToNanos(maxAgeMs),
      duplicate_window: msToNanos(Math.min(maxAgeMs, longestDuplicateWindowMs)),
      allow_direct: true,
      allow_rollup_hdrs: true,
      allow_msg_ttl: true,
      deny_delete: true,
    },
  };
}

const writeReplySchema = z.object({
  seq: z.number().optional(),
  error: z.object({ err_code: z.number().optional(), description: z.string() }).optional(),
});

/**
 * A key-value bucket, by the two requests that the worker needs of it. The client's own package cannot renew an entry
 * that has a time to live, and brings the whole JetStream client along; docs/adr/0030-own-bucket-requests.md.
 *
 * Every method throws PenstockError `BucketUnreachable`, retryable: the answer is unknown, which is not "no".
 */
export class Bucket {
  readonly name: string;
  readonly #connection: NatsConnection;

  constructor(connection: NatsConnection, name: string) {
    this.#connection = connection;
    this.name = name;
  }

  /** @param key one token of a subject. */
  async read(key: string): Promise<Entry | undefined> {
    const subject = `$JS.API.DIRECT.GET.KV_${this.name}.$KV.${this.name}.${key}`;
    return this.#ask(async () => {
      const reply = await this.#connection.request(subject, undefined, { timeout: requestTimeoutMs });
      const { headers: hdrs } = reply;
      if (hdrs?.code === 404) return undefined;
      const revision = Number(hdrs?.get('Nats-Sequence'));
      if (hdrs === undefined || hdrs.hasError || !(revision > 0)) {
        throw new Error(hdrs?.description ?? 'the reply is no entry');
      }
      const isRemoved = hdrs.has('KV-Operation') || hdrs.has('Nats-Marker-Reason');
      return isRemoved ? undefined : { value: reply.string(), revision };
    });
  }

  /** @returns the new revision; undefined when another write came first. */
  async write(key: string, value: string, { after, ttlSeconds }: Write = {}): Promise<number | undefined> {
    const hdrs = headers();
    if (after !== undefined) hdrs.set('Nats-Expected-Last-Subject-Sequence', `${after}`);
    if (ttlSeconds !== undefined) hdrs.set('Nats-TTL', `${Math.max(1, Math.ceil(ttlSeconds))}s`);
    return this.#ask(async () => {
      const message = await this.#connection.request(`$KV.${this.name}.${key}`, value, {
        timeout: requestTimeoutMs,
        headers: hdrs,
      });
      const { seq, error } = writeReplySchema.parse(message.json());
      if (error === undefined && seq !== undefined) return seq;
      if (apiErrors.wrongLastSequence.some((code) => code === error?.err_code)) return undefined;
      throw new Error(error?.description ?? 'the reply names no revision');
    });
  }

  async #ask<T>(request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      throw new PenstockError(
        'BucketUnreachable',
        `bucket ${this.name}: ${describeError(error)}; does it exist, and may this user read and write it?`,
        { retryable: true, cause: error },
      );
    }
  }
}
