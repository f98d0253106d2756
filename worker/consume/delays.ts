import type { Clock } from '#common/clock.ts';

type Entry<T> = { readonly item: T; readonly dueMs: number; readonly order: number };

/** Timers of Node end at 2^31 − 1 milliseconds; a look too early does no harm. */
const longestTimerMs = 2_147_483_647;

/**
 * Items that wait for a moment each: a binary heap by their moments, and one timer for the first of them. Equal moments
 * keep the order in which they were added.
 */
export class Delays<T> {
  readonly #clock: Clock;
  readonly #onDue: (item: T, nowMs: number) => void;
  #heap: Entry<T>[] = [];
  #added = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param onDue must not throw. */
  constructor(clock: Clock, onDue: (item: T, nowMs: number) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** @param dueMs monotonic time. */
  add(item: T, dueMs: number): void {
    const entry = { item, dueMs, order: this.#added };
    this.#added += 1;
    this.#siftUp(entry, this.#heap.length);
    if (this.#heap[0] === entry) this.#arm();
  }

  /** In no particular order. */
  *[Symbol.iterator](): Generator<T> {
    for (const { item } of this.#heap) yield item;
  }

  /** Forgets some, and returns them. */
  remove(isOut: (item: T) => boolean): T[] {
    if (!this.#heap.some(({ item }) => isOut(item))) return [];
    const removed: T[] = [];
    for (const { item, dueMs } of this.clear()) {
      if (isOut(item)) removed.push(item);
      else this.add(item, dueMs);
    }
    return removed;
  }

  /** Forgets all, and returns them, the one that was due first first. */
  clear(): { readonly item: T; readonly dueMs: number }[] {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const entries = this.#heap.sort((a, b) => (isBefore(a, b) ? -1 : 1));
    this.#heap = [];
    return entries;
  }

  #arm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const first = this.#heap[0];
    if (first === undefined) return;
    const waitMs = Math.ceil(first.dueMs - this.#clock.monotonicMs());
    this.#timer = setTimeout(() => this.#look(), Math.min(Math.max(0, waitMs), longestTimerMs));
  }

  #look(): void {
    const nowMs = this.#clock.monotonicMs();
    for (let first = this.#heap[0]; first !== undefined && first.dueMs <= nowMs; first = this.#heap[0]) {
      this.#removeFirst();
      this.#onDue(first.item, nowMs);
    }
    this.#arm();
  }

  #removeFirst(): void {
    const last = this.#heap.pop();
    if (last !== undefined && this.#heap.length > 0) this.#siftDown(last);
  }

  #siftUp(entry: Entry<T>, from: number): void {
    let hole = from;
    while (hole > 0) {
      const parentIndex = (hole - 1) >> 1;
      const parent = this.#heap[parentIndex];
      if (parent === undefined || !isBefore(entry, parent)) break;
      this.#heap[hole] = parent;
      hole = parentIndex;
    }
    this.#heap[hole] = entry;
  }

  /** Finds the place of what stood last, starting at the top. */
  #siftDown(entry: Entry<T>): void {
    let hole = 0;
    for (;;) {
      const left = this.#heap[2 * hole + 1];
      const right = this.#heap[2 * hole + 2];
      if (left === undefined) break;
      const isRight = right !== undefined && isBefore(right, left);
      const child = isRight ? right : left;
      if (!isBefore(child, entry)) break;
      this.#heap[hole] = child;
      hole = 2 * hole + (isRight ? 2 : 1);
    }
    this.#heap[hole] = entry;
  }
}

function isBefore(a: Entry<unknown>, b: Entry<unknown>): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}
