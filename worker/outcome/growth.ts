const marksPerWindow = 10;

/**
 * By how much a total has grown lately: totals go in, growth over a sliding window comes out. Costs what the caller
 * spends on looking, and nothing when the total changes. Exact to a tenth of the window.
 */
export class Growth {
  readonly #windowMs: number;
  #marks: { readonly atMs: number; readonly total: number }[] = [];

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** @param nowMs monotonic; call it several times per window, or the growth of a longer time is returned. */
  by(nowMs: number, total: number): number {
    const last = this.#marks.at(-1);
    if (last === undefined || nowMs - last.atMs >= this.#windowMs / marksPerWindow) {
      this.#marks.push({ atMs: nowMs, total });
    }
    // The second mark may become the baseline as soon as it is a window old.
    while ((this.#marks[1]?.atMs ?? Infinity) <= nowMs - this.#windowMs) this.#marks.shift();
    return total - (this.#marks[0]?.total ?? total);
  }

  /** Growth counts from the next look on. */
  restart(): void {
    this.#marks = [];
  }
}
