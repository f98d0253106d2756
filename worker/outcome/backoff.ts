export type BackoffPolicy = {
  /** Longest delay after the first failed attempt. */
  readonly baseMs: number;
  /** No delay is longer. */
  readonly maxMs: number;
};

/**
 * Delay before the next attempt, milliseconds: anywhere between 0 and min(max, base × 2^(attempt − 1)), the "full
 * jitter" of M. Brooker, Exponential Backoff And Jitter (AWS Architecture Blog, 2015), which spreads a crowd of
 * failed jobs better than any narrower jitter.
 *
 * @param attempt the attempt that failed, from 1.
 * @param random uniform in [0, 1).
 */
export function backoffMs(policy: BackoffPolicy, attempt: number, random: number): number {
  // 2^60 is beyond any maximum, and keeps the product finite.
  const ceilingMs = Math.min(policy.maxMs, policy.baseMs * 2 ** Math.min(Math.max(attempt, 1) - 1, 60));
  return Math.floor(random * ceilingMs);
}
