export type RatePolicy = {
  /** Jobs a second in the long run. */
  readonly perSecond: number;
  /** Jobs that may start at one moment after a pause. */
  readonly burst: number;
};

/** At about 100 bytes each. Beyond it the key that was used least recently is forgotten: its bucket counts as full. */
const mostKeys = 100_000;

/**
 * Token buckets, one per key. Each is a single number, the moment when it would be full again, as in the generic cell
 * rate algorithm (ITU-T I.371, annex A), so that nothing has to be refilled by a timer; a bucket that is full again is
 * forgotten.
 */
export class RateLimit {
  readonly #intervalMs: number;
  readonly #toleranceMs: number;
  /** In order of last use. */
  readonly #fullAtMs = new Map<string, number>();

  constructor({ perSecond, burst }: RatePolicy) {
    this.#intervalMs = 1_000 / perSecond;
    this.#toleranceMs = (burst - 1) * this.#intervalMs;
  }

  /** Buckets that are not full. */
  get size(): number {
    return this.#fullAtMs.size;
  }

  /**
   * Takes a token, which may be one of the future.
   *
   * @param mayWait false: takes none unless there is one now.
   * @returns when the job may start, monotonic milliseconds: `nowMs`, or later.
   */
  take(key: string, nowMs: number, mayWait = true): number {
    const fullAtMs = Math.max(nowMs, this.#fullAtMs.get(key) ?? nowMs);
    const startMs = Math.max(nowMs, fullAtMs - this.#toleranceMs);
    if (startMs > nowMs && !mayWait) return startMs;
    this.#fullAtMs.delete(key);
    this.#fullAtMs.set(key, fullAtMs + this.#intervalMs);
    this.#forget(nowMs);
    return startMs;
  }

  /** Looks at two per token taken, so that it costs nothing and still outruns the growth. */
  #forget(nowMs: number): void {
    let looked = 0;
    for (const [key, fullAtMs] of this.#fullAtMs) {
      if (fullAtMs > nowMs && this.#fullAtMs.size <= mostKeys) return;
      this.#fullAtMs.delete(key);
      looked += 1;
      if (looked === 2) return;
    }
  }
}
