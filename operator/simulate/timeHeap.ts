/** Things by their time, the earliest first; a binary heap. */
export class TimeHeap<T extends { readonly atMs: number }> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** In no order that means anything. */
  get items(): readonly T[] {
    return this.#items;
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    const items = this.#items;
    let index = items.length;
    items.push(item);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = items[parent];
      if (above === undefined || above.atMs <= item.atMs) break;
      items[index] = above;
      index = parent;
    }
    items[index] = item;
  }

  pop(): T | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      const [left, right] = [items[child], items[child + 1]];
      if (left === undefined) break;
      if (right !== undefined && right.atMs < left.atMs) child += 1;
      const smaller = items[child];
      if (smaller === undefined || smaller.atMs >= last.atMs) break;
      items[index] = smaller;
      index = child;
    }
    items[index] = last;
    return first;
  }
}
