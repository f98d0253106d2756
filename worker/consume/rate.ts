export type RatePolicy = {
  /** Jobs a second in the long run. */
  readonly perSecond: number;
  /** Jobs that may start at one moment after a pause. */
  readonly burst: number;
};

/** At about 100 bytes each. Beyond it keys are forgotten, those first that were not used for long: their buckets count as full. */
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
  /** Goes round and round: to begin at the front each time would mean to pass all that was deleted there. */
  #walk = this.#fullAtMs.entries();

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

  /** Looks at two per token taken, so that it costs little and still outruns the growth. */
  #forget(nowMs: number): void {
    for (let looks = 0; looks < 2; looks += 1) {
      const next = this.#walk.next();
      if (next.done === true) {
        this.#walk = this.#fullAtMs.entries();
        return;
      }
      const [key, fullAtMs] = next.value;
      if (fullAtMs <= nowMs || this.#fullAtMs.size > mostKeys) this.#fullAtMs.delete(key);
    }
  }
}
