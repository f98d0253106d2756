import { z } from 'zod';
import type { Clock } from '#common/clock.ts';
import { PenstockError, describeError } from '#common/errors.ts';
import type { Api } from './api.ts';
import { path } from './api.ts';

/** On a Secret, by whoever made it: hosts that it may be used with, e.g. `nats.prod.svc, *.nats.example`. */
export const serversAnnotation = 'penstock.dev/nats-servers';

export type Secret = {
  readonly values: ReadonlyMap<string, string>;
  readonly allowedHosts: readonly string[];
};

type Entry = { found: Secret | Error; version: string | undefined; askedMs: number; usedMs: number };

/** A rotated secret is used after this time at the latest. */
const freshMs = 10_000;
const retryMs = 5_000;
const forgottenAfterMs = 300_000;
const maxValueBytes = 64 * 1024;

const secretSchema = z.object({
  metadata: z.object({
    resourceVersion: z.string(),
    annotations: z.record(z.string(), z.string()).default({}),
  }),
  data: z.record(z.string(), z.string().max(maxValueBytes * 2)).default({}),
});

/**
 * Secrets by name, each asked for alone: no list, no watch, so that the right to `get` the named ones is enough.
 * Reading never waits; the first answer for a secret is "not read yet".
 */
export class Secrets {
  readonly #api: Api;
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  #sweptMs = 0;

  constructor(api: Api, clock: Clock) {
    this.#api = api;
    this.#clock = clock;
  }

  read(namespace: string, name: string): Secret | Error {
    const key = `${namespace}/${name}`;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#sweptMs > forgottenAfterMs) this.#sweep(nowMs);
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      const found = new PenstockError('SecretUnavailable', `Secret ${key} has not been read yet`);
      entry = { found, version: undefined, askedMs: -Infinity, usedMs: nowMs };
      this.#entries.set(key, entry);
    }
    entry.usedMs = nowMs;
    if (nowMs - entry.askedMs > (entry.found instanceof Error ? retryMs : freshMs)) {
      entry.askedMs = nowMs;
      void this.#refresh(entry, namespace, name);
    }
    return entry.found;
  }

  #sweep(nowMs: number): void {
    this.#sweptMs = nowMs;
    for (const [key, { usedMs }] of this.#entries) {
      if (nowMs - usedMs > forgottenAfterMs) this.#entries.delete(key);
    }
  }

  async #refresh(entry: Entry, namespace: string, name: string): Promise<void> {
    try {
      const answer = await this.#api.call('GET', path('api', 'v1', 'namespaces', namespace, 'secrets', name));
      const secret = secretSchema.parse(answer);
      // The same object as long as the secret is the same.
      if (entry.version !== secret.metadata.resourceVersion) entry.found = toSecret(secret);
      entry.version = secret.metadata.resourceVersion;
    } catch (error) {
      entry.version = undefined;
      const message = `Secret ${namespace}/${name} cannot be read: ${describeError(error)}`;
      entry.found = new PenstockError('SecretUnavailable', message, { cause: error });
    }
  }
}

function toSecret({ metadata, data }: z.output<typeof secretSchema>): Secret {
  const values = Object.entries(data).map(
    ([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')] as const,
  );
  const allowed = metadata.annotations[serversAnnotation] ?? '';
  return {
    values: new Map(values),
    allowedHosts: allowed
      .split(',')
      .map((host) => host.trim())
      .filter((host) => host !== ''),
  };
}
