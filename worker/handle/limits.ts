import { PenstockError } from '#common/errors.ts';
import type { Clock } from '#common/clock.ts';

/** A part of a named limit. Dispose of it when done; the end of its job does so as well. */
export type Permit = Disposable;

type Waiter = { readonly weight: number; readonly admit: () => void };

/** A named limit as it stands. */
export type LimitView = {
  readonly name: string;
  readonly capacity: number;
  readonly used: number;
  readonly waiting: number;
  /** Jobs that had to wait, and for how long those did that have got it, milliseconds. */
  readonly waits: number;
  readonly waitMs: number;
};

/**
 * A weighted semaphore: so much of a resource that the jobs of a worker share, in the order in which they ask. Who is
 * heavier than all of it gets all of it. Nobody overtakes a heavy one, so that it is not kept waiting for ever.
 */
export class Limit {
  readonly #name: string;
  readonly #capacity: number;
  readonly #clock: Clock;
  readonly #waiters = new Set<Waiter>();
  #used = 0;
  #holders = 0;
  #waits = 0;
  #waitMs = 0;

  constructor(name: string, capacity: number, clock: Clock) {
    this.#name = name;
    this.#capacity = capacity;
    this.#clock = clock;
  }

  get view(): LimitView {
    const { size: waiting } = this.#waiters;
    return {
      name: this.#name,
      capacity: this.#capacity,
      used: this.#used,
      waiting,
      waits: this.#waits,
      waitMs: this.#waitMs,
    };
  }

  /**
   * @param wanted above 0.
   * @throws the signal's reason when it is aborted first.
   */
  async acquire(wanted: number, signal: AbortSignal): Promise<Permit> {
    signal.throwIfAborted();
    const weight = Math.min(wanted, this.#capacity);
    if (this.#waiters.size > 0 || !this.#fits(weight)) await this.#wait(weight, signal);
    else this.#take(weight);
    return this.#permit(weight);
  }

  async #wait(weight: number, signal: AbortSignal): Promise<void> {
    this.#waits += 1;
    const startMs = this.#clock.monotonicMs();
    const admitted = Promise.withResolvers<undefined>();
    const waiter = { weight, admit: () => admitted.resolve(undefined) };
    const abort = (): void => {
      this.#waiters.delete(waiter);
      admitted.reject(signal.reason);
      // It may have been the heavy one that the others waited behind.
      this.#admit();
    };
    this.#waiters.add(waiter);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await admitted.promise;
    } finally {
      signal.removeEventListener('abort', abort);
      this.#waitMs += this.#clock.monotonicMs() - startMs;
    }
  }

  #permit(weight: number): Permit {
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        this.#holders -= 1;
        // Fractions leave a rest behind, beside which a permit for all of it would never fit.
        this.#used = this.#holders === 0 ? 0 : this.#used - weight;
        this.#admit();
      },
    };
  }

  /** What an admitted one takes is taken here, so that nobody else takes it before that one runs on. */
  #admit(): void {
    for (const waiter of this.#waiters) {
      if (!this.#fits(waiter.weight)) return;
      this.#waiters.delete(waiter);
      this.#take(waiter.weight);
      waiter.admit();
    }
  }

  #take(weight: number): void {
    this.#used += weight;
    this.#holders += 1;
  }

  #fits(weight: number): boolean {
    return this.#used + weight <= this.#capacity;
  }
}

/** The named limits of a worker. */
export class Limits {
  readonly #limits: ReadonlyMap<string, Limit>;

  constructor(capacities: ReadonlyMap<string, number>, clock: Clock) {
    this.#limits = new Map(
      [...capacities].map(([name, capacity]) => [name, new Limit(name, capacity, clock)]),
    );
  }

  get views(): LimitView[] {
    return [...this.#limits.values()].map(({ view }) => view);
  }

  /** @throws PenstockError `NoSuchLimit`, `InvalidWeight`; or as `Limit.acquire`. */
  async acquire(name: string, weight: number, signal: AbortSignal): Promise<Permit> {
    const limit = this.#limits.get(name);
    if (limit === undefined) {
      const known = [...this.#limits.keys()].join(', ') || 'none';
      throw new PenstockError('NoSuchLimit', `there is no limit "${name}"; set: ${known} (PENSTOCK_LIMITS)`);
    }
    if (!(weight > 0 && weight < Infinity)) {
      throw new PenstockError(
        'InvalidWeight',
        `the weight of limit "${name}" is ${weight}; it must be above 0`,
      );
    }
    return limit.acquire(weight, signal);
  }
}
