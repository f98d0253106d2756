import type { Counters } from '../report/counters.ts';
import { Growth } from './growth.ts';

const windowMs = 10_000;

export type BudgetPolicy = {
  /** Retries per success of the last 10 s. */
  readonly ratio: number;
  /** Retries a second that are granted whatever succeeds, so that a quiet worker can retry at all. */
  readonly minPerSecond: number;
  /** What a retry beyond the budget waits: between half and all of it, milliseconds. */
  readonly delayMs: number;
};

/**
 * Keeps retries a small share of the work, so that a failing dependency is not met by more load than a healthy one:
 * attempts that multiply are what turns a short outage into a long one (B. Beyer et al., Site Reliability Engineering,
 * O'Reilly 2016, chapter 21 "Handling Overload"). Over the last 10 s,
 *
 *   granted = minPerSecond × 10 + ratio × successes
 *
 * A retry within the grant keeps its delay; one beyond it waits longer, and spends nothing.
 */
export class RetryBudget {
  readonly #policy: BudgetPolicy;
  readonly #counters: Counters;
  readonly #successes = new Growth(windowMs);
  readonly #spent = new Growth(windowMs);

  constructor(policy: BudgetPolicy, counters: Counters) {
    this.#policy = policy;
    this.#counters = counters;
  }

  /** Retries that are still granted now, at least 0. Look regularly: the window moves with the looks. */
  remaining(nowMs: number): number {
    const { ratio, minPerSecond } = this.#policy;
    const { succeeded, retried, retriesDelayed } = this.#counters;
    const granted = (minPerSecond * windowMs) / 1_000 + ratio * this.#successes.by(nowMs, succeeded);
    return Math.max(0, Math.floor(granted - this.#spent.by(nowMs, retried - retriesDelayed)));
  }

  /**
   * The delay of the next retry, milliseconds.
   *
   * @param wantedMs what it would be without a budget.
   * @param random uniform in [0, 1): a crowd that was held back must not return at one moment.
   */
  delayMs(nowMs: number, wantedMs: number, random: number): number {
    if (this.remaining(nowMs) >= 1) return wantedMs;
    this.#counters.retriesDelayed += 1;
    return Math.max(wantedMs, this.#policy.delayMs * (0.5 + random / 2));
  }
}
