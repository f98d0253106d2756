import { z } from 'zod';
import type { Clock } from '#common/clock.ts';
import { describeError } from '#common/errors.ts';
import type { Logger } from '#common/log.ts';
import { sleep } from '#common/sleep.ts';
import type { Api } from './api.ts';
import { path } from './api.ts';
import { isConflict, isNotFound } from './apiError.ts';

/**
 * Leader election by a Lease, with the rules of client-go's leaderelection: one holder works, the others watch.
 *
 *     waiting ──lease free, or not renewed for its duration──→ leading ──not renewed in time──→ lost (the end)
 *                                                                 └──shutdown──→ released
 *
 * Times on the lease were written by other clocks and are never compared with ours. What counts is the local,
 * monotonic time at which the record last *changed* here. A holder stops a third of the duration before anybody else
 * may take over. This is no fencing: writes carry a precondition of their own.
 */
export type ElectorOptions = {
  readonly namespace: string;
  readonly name: string;
  /** Unique for each process. */
  readonly identity: string;
};

const leaseDurationMs = 15_000;
const renewDeadlineMs = 10_000;
const retryMs = 2_000;
const callTimeoutMs = 4_000;

const leaseSchema = z.looseObject({
  metadata: z.looseObject({ resourceVersion: z.string() }),
  spec: z
    .looseObject({
      holderIdentity: z.string().nullish(),
      leaseDurationSeconds: z.number().positive().nullish(),
      leaseTransitions: z.number().int().min(0).nullish(),
    })
    .prefault({}),
});
type Lease = z.output<typeof leaseSchema>;

export class Elector {
  readonly #api: Api;
  readonly #options: ElectorOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #log: Logger;
  readonly #lost = new AbortController();
  #seen: { resourceVersion: string; atMs: number } | undefined;
  #renewedMs: number | undefined;

  constructor(
    api: Api,
    options: ElectorOptions,
    { clock, random, log }: { clock: Clock; random: () => number; log: Logger },
  ) {
    this.#api = api;
    this.#options = options;
    this.#clock = clock;
    this.#random = random;
    this.#log = log;
  }

  /** Whether writing is safe now: the lease was renewed lately enough, whatever a timer has or has not noticed. */
  isLeading(): boolean {
    if (this.#renewedMs === undefined || this.#lost.signal.aborted) return false;
    return this.#clock.monotonicMs() - this.#renewedMs < renewDeadlineMs;
  }

  /** Aborted when the lease was held and could not be renewed in time. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Resolves with true when the lease is ours, with false when the signal came first. */
  async acquire(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      if (await this.#tryHold()) {
        this.#log.info({ identity: this.#options.identity }, 'leading');
        return true;
      }
      await sleep(retryMs * (1 + 0.2 * this.#random()), signal);
    }
    return false;
  }

  /** Renews until the signal, or until the lease is lost. */
  async keep(signal: AbortSignal): Promise<void> {
    for (;;) {
      await sleep(retryMs, signal);
      if (signal.aborted) return;
      if (await this.#tryHold()) continue;
      if (this.isLeading()) continue;
      this.#log.error('the lease could not be renewed in time; another operator may lead now');
      this.#lost.abort();
      return;
    }
  }

  /** Lets the next one take over at once. To be called when no write is under way any more. */
  async release(): Promise<void> {
    if (!this.isLeading()) return;
    try {
      const lease = await this.#read();
      if (lease?.spec.holderIdentity !== this.#options.identity) return;
      this.#renewedMs = undefined;
      await this.#write(lease, { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1 });
    } catch (error) {
      this.#log.warn({ error: describeError(error) }, 'lease not released; it runs out by itself');
    }
  }

  async #tryHold(): Promise<boolean> {
    const startedMs = this.#clock.monotonicMs();
    try {
      const lease = await this.#read();
      if (lease === undefined) await this.#create();
      else if (this.#isOurs(lease) || this.#isFree(lease)) await this.#write(lease, this.#claim(lease));
      else return false;
      this.#renewedMs = startedMs;
      return true;
    } catch (error) {
      // A conflict means that somebody was faster; anything else is tried again until the deadline.
      if (!isConflict(error)) this.#log.warn({ error: describeError(error) }, 'lease not renewed');
      return false;
    }
  }

  #isOurs(lease: Lease): boolean {
    return lease.spec.holderIdentity === this.#options.identity;
  }

  #isFree({ metadata: { resourceVersion }, spec }: Lease): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (this.#seen?.resourceVersion !== resourceVersion) this.#seen = { resourceVersion, atMs: nowMs };
    if ((spec.holderIdentity ?? '') === '') return true;
    const durationMs = (spec.leaseDurationSeconds ?? leaseDurationMs / 1_000) * 1_000;
    return nowMs - this.#seen.atMs > durationMs;
  }

  #claim(lease: Lease): Record<string, unknown> {
    const now = microTime(this.#clock.wallMs());
    const isOurs = this.#isOurs(lease);
    return {
      ...lease.spec,
      holderIdentity: this.#options.identity,
      leaseDurationSeconds: leaseDurationMs / 1_000,
      renewTime: now,
      ...(isOurs ? {} : { acquireTime: now, leaseTransitions: (lease.spec.leaseTransitions ?? 0) + 1 }),
    };
  }

  async #read(): Promise<Lease | undefined> {
    try {
      return leaseSchema.parse(await this.#api.call('GET', this.#path(), { timeoutMs: callTimeoutMs }));
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async #create(): Promise<void> {
    const now = microTime(this.#clock.wallMs());
    const { namespace, name, identity } = this.#options;
    await this.#api.call(
      'POST',
      path('apis', 'coordination.k8s.io', 'v1', 'namespaces', namespace, 'leases'),
      {
        timeoutMs: callTimeoutMs,
        body: {
          apiVersion: 'coordination.k8s.io/v1',
          kind: 'Lease',
          metadata: { name, namespace },
          spec: {
            holderIdentity: identity,
            leaseDurationSeconds: leaseDurationMs / 1_000,
            acquireTime: now,
            renewTime: now,
            leaseTransitions: 0,
          },
        },
      },
    );
  }

  /** Conditional on the resource version that was read. */
  async #write(lease: Lease, spec: Record<string, unknown>): Promise<void> {
    await this.#api.call('PUT', this.#path(), { timeoutMs: callTimeoutMs, body: { ...lease, spec } });
  }

  #path(): string {
    const { namespace, name } = this.#options;
    return path('apis', 'coordination.k8s.io', 'v1', 'namespaces', namespace, 'leases', name);
  }
}

const microTime = (wallMs: number): string => new Date(wallMs).toISOString().replace('Z', '000Z');
