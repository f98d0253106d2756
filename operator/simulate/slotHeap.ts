/** Slots by the time they are free, the earliest first: a binary heap over plain numbers, since each job turns it. */
export class SlotHeap {
  #timesMs = new Float64Array(64);
  #slots = new Int32Array(64);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Infinity when it is empty. */
  get firstMs(): number {
    return this.#size === 0 ? Infinity : (this.#timesMs[0] ?? Infinity);
  }

  /** Only while `size` is above 0. */
  get firstSlot(): number {
    return this.#slots[0] ?? -1;
  }

  push(atMs: number, slot: number): void {
    if (this.#size === this.#timesMs.length) this.#grow();
    let index = this.#size;
    this.#size += 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const aboveMs = this.#timesMs[parent] ?? 0;
      if (aboveMs <= atMs) break;
      this.#set(index, aboveMs, this.#slots[parent] ?? 0);
      index = parent;
    }
    this.#set(index, atMs, slot);
  }

  pop(): void {
    this.#size -= 1;
    if (this.#size > 0) this.replaceFirst(this.#timesMs[this.#size] ?? 0, this.#slots[this.#size] ?? 0);
  }

  /** As pop and push, at half the cost. */
  replaceFirst(atMs: number, slot: number): void {
    const [times, size] = [this.#timesMs, this.#size];
    let index = 0;
    for (let child = 1; child < size; child = 2 * index + 1) {
      if (child + 1 < size && (times[child + 1] ?? 0) < (times[child] ?? 0)) child += 1;
      const belowMs = times[child] ?? 0;
      if (belowMs >= atMs) break;
      this.#set(index, belowMs, this.#slots[child] ?? 0);
      index = child;
    }
    this.#set(index, atMs, slot);
  }

  #set(index: number, atMs: number, slot: number): void {
    this.#timesMs[index] = atMs;
    this.#slots[index] = slot;
  }

  #grow(): void {
    const [times, slots] = [this.#timesMs, this.#slots];
    this.#timesMs = new Float64Array(2 * times.length);
    this.#slots = new Int32Array(2 * slots.length);
    this.#timesMs.set(times);
    this.#slots.set(slots);
  }
}
