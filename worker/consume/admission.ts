import type { Clock } from '#common/clock.ts';
import { toError } from '#common/errors.ts';
import type { Wait } from '../outcome/settle.ts';
import type { Counters } from '../report/counters.ts';
import type { AdmissionPolicy } from './admissionPolicy.ts';
import { Delays } from './delays.ts';
import { expiryOf } from './expiry.ts';
import { DeliveredJob } from './job.ts';
import type { Delivery } from './job.ts';
import { compileKey } from './key.ts';
import type { KeyReader } from './key.ts';
import { Lanes } from './lanes.ts';
import { RateLimit } from './rate.ts';
import type { Window } from './window.ts';

export type AdmissionParts = {
  readonly window: Window;
  readonly counters: Counters;
  readonly clock: Clock;
  /** The job may start as soon as there is a slot for it. */
  readonly onReady: (delivery: Delivery) => void;
  readonly onRejected: (delivery: Delivery, nowMs: number, delayMs: number) => void;
  readonly onExpired: (delivery: Delivery, nowMs: number, why: string) => void;
  /** The author's function for key or weight threw. */
  readonly onFaulty: (delivery: Delivery, nowMs: number, error: Error) => void;
};

/** Everything that keeps jobs from starting, and whose time has not come. */
export type Held = {
  readonly waiting: readonly Delivery[];
  readonly retries: readonly { readonly item: Delivery; readonly dueMs: number }[];
};

/**
 * What a job passes between its arrival and a slot. Each part is there only if it is set:
 *
 *   arrives → weight, key → lane of its key → expired? → rate of its key → rate of the worker → ready for a slot
 *                              ↑                  ↑___________________________________________________________
 *                              └ the next one enters when the one before is settled         retry, lane kept  ↲
 *
 * Nobody holds a slot here, and the sweep keeps the leases of all who wait. Those that wait for something of their key
 * count as `waiting`, up to a bound, so that other keys are still pulled past them; those that wait for the rate of the
 * worker count as `buffered`, since any other job would have to wait as well.
 */
export class Admission {
  readonly #policy: AdmissionPolicy;
  readonly #parts: AdmissionParts;
  readonly #readKey: KeyReader | undefined;
  readonly #lanes: Lanes | undefined;
  readonly #keyRate: RateLimit | undefined;
  readonly #rate: RateLimit | undefined;
  readonly #retries: Delays<Delivery>;
  readonly #keyWaits: Delays<Delivery>;
  readonly #rateWaits: Delays<Delivery>;
  readonly #released: Delivery[] = [];
  #releasing = false;
  #accepting = true;

  constructor(policy: AdmissionPolicy, parts: AdmissionParts) {
    this.#policy = policy;
    this.#parts = parts;
    const { window, clock } = parts;
    window.maxWaiting = policy.maxWaiting;
    this.#readKey = policy.key && compileKey(policy.key);
    this.#lanes = policy.ordered ? new Lanes() : undefined;
    this.#keyRate = policy.keyRate && new RateLimit(policy.keyRate);
    this.#rate = policy.rate && new RateLimit(policy.rate);
    this.#retries = new Delays(clock, (delivery, nowMs) => {
      window.waiting -= 1;
      this.#passKeyRate(delivery, nowMs);
    });
    this.#keyWaits = new Delays(clock, (delivery, nowMs) => {
      window.waiting -= 1;
      this.#passRate(delivery, nowMs);
    });
    this.#rateWaits = new Delays(clock, (delivery) => {
      window.buffered -= 1;
      parts.onReady(delivery);
    });
  }

  /** Keys that have work now. */
  get lanes(): number {
    return this.#lanes?.size ?? 0;
  }

  admit(delivery: Delivery, nowMs: number): void {
    if (!this.#describe(delivery, nowMs)) return;
    if (this.#lanes === undefined || this.#lanes.enter(delivery)) {
      this.#passKeyRate(delivery, nowMs);
      return;
    }
    this.#parts.counters.laneWaits += 1;
    this.#parts.window.waiting += 1;
  }

  /** Why a job that has waited for its slot should not run any more; undefined if it should. */
  expiryOf(delivery: Delivery): string | undefined {
    const { overload } = this.#policy;
    return overload.kind === 'shed'
      ? expiryOf(delivery, overload.maxAgeMs, this.#parts.clock.wallMs())
      : undefined;
  }

  /** A job is settled, given back or lost: the next of its lane may go on. */
  gone(delivery: Delivery): void {
    const next = this.#lanes?.leave(delivery);
    if (next === undefined) return;
    this.#parts.window.waiting -= 1;
    this.#released.push(next);
    // A released job may be gone at once, again and again: in a loop, as a long lane would overflow the stack.
    if (this.#releasing) return;
    this.#releasing = true;
    const nowMs = this.#parts.clock.monotonicMs();
    for (let free = this.#released.shift(); free !== undefined; free = this.#released.shift()) {
      this.#passKeyRate(free, nowMs);
    }
    this.#releasing = false;
  }

  /**
   * Keeps a job that is to run again, as the server would let later jobs of its key overtake it.
   *
   * @returns false when its order does not matter: then the server may deliver it again.
   */
  keep(delivery: Delivery, { nowMs, delayMs, isAttempt }: Wait): boolean {
    if (this.#lanes === undefined || delivery.key === undefined || !this.#accepting) return false;
    if (isAttempt) {
      delivery.attempt += 1;
      this.#parts.counters.retriedInPlace += 1;
    }
    this.#parts.window.waiting += 1;
    this.#retries.add(delivery, nowMs + delayMs);
    return true;
  }

  /** All that wait here, for their leases. */
  *[Symbol.iterator](): Generator<Delivery> {
    yield* this.#rateWaits;
    yield* this.#keyWaits;
    yield* this.#retries;
    if (this.#lanes !== undefined) yield* this.#lanes;
  }

  /** Takes out those that wait for a moment and need not wait any longer. */
  takeOut(isOut: (delivery: Delivery) => boolean): Delivery[] {
    const { window } = this.#parts;
    const forKey = [...this.#retries.remove(isOut), ...this.#keyWaits.remove(isOut)];
    const forRate = this.#rateWaits.remove(isOut);
    window.waiting -= forKey.length;
    window.buffered -= forRate.length;
    return [...forKey, ...forRate];
  }

  /** Lets nobody wait any more; returns who did, jobs of the same key in order. */
  close(): Held {
    this.#accepting = false;
    const { window } = this.#parts;
    const limited = [...this.#rateWaits.clear(), ...this.#keyWaits.clear()].map(({ item }) => item);
    const held = { waiting: [...limited, ...(this.#lanes?.clear() ?? [])], retries: this.#retries.clear() };
    window.waiting = 0;
    return held;
  }

  open(): void {
    this.#accepting = true;
  }

  /** @returns false when the author's functions threw: then the job has failed. */
  #describe(delivery: Delivery, nowMs: number): boolean {
    const { weight } = this.#policy;
    if (this.#readKey === undefined && weight === undefined) return true;
    const job = new DeliveredJob(delivery);
    try {
      delivery.key = this.#readKey?.(job);
      if (weight !== undefined) delivery.weight = soundWeight(weight(job), this.#parts.window.slots);
      return true;
    } catch (error) {
      delivery.key = undefined;
      this.#parts.onFaulty(delivery, nowMs, toError(error));
      return false;
    }
  }

  #passKeyRate(delivery: Delivery, nowMs: number): void {
    const { overload } = this.#policy;
    const { counters, window, onExpired, onRejected } = this.#parts;
    const why = this.expiryOf(delivery);
    if (why !== undefined) {
      onExpired(delivery, nowMs, why);
      return;
    }
    if (this.#keyRate === undefined || delivery.key === undefined) {
      this.#passRate(delivery, nowMs);
      return;
    }
    const startMs = this.#keyRate.take(delivery.key, nowMs, overload.kind !== 'reject');
    if (startMs <= nowMs) {
      this.#passRate(delivery, nowMs);
    } else if (overload.kind === 'reject') {
      onRejected(delivery, nowMs, overload.delayMs);
    } else {
      counters.limited(startMs - nowMs);
      window.waiting += 1;
      this.#keyWaits.add(delivery, startMs);
    }
  }

  #passRate(delivery: Delivery, nowMs: number): void {
    const { counters, window, onReady } = this.#parts;
    const startMs = this.#rate?.take('', nowMs) ?? nowMs;
    if (startMs <= nowMs) {
      onReady(delivery);
      return;
    }
    counters.limited(startMs - nowMs);
    window.buffered += 1;
    this.#rateWaits.add(delivery, startMs);
  }
}

/**
 * A weight that makes no sense counts as 1; a huge one is as heavy as all slots, which then run nothing else. Whole, as
 * sums of fractions would leave a rest behind, and a worker that waits for 0 to stop would wait in vain.
 */
function soundWeight(given: number, slots: number): number {
  return Number.isFinite(given) && given >= 1 ? Math.min(Math.ceil(given), Math.max(1, slots)) : 1;
}
