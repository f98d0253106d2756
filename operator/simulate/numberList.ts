/** A list of numbers that grows at its end and, when it is used as a queue, loses them at its front. */
export class NumberList {
  #values = new Float64Array(1_024);
  #head = 0;
  #tail = 0;

  get length(): number {
    return this.#tail - this.#head;
  }

  /** Infinity when it is empty. */
  get first(): number {
    return this.#head < this.#tail ? (this.#values[this.#head] ?? Infinity) : Infinity;
  }

  /** What is in it, until it next changes. */
  get values(): Float64Array {
    return this.#values.subarray(this.#head, this.#tail);
  }

  push(value: number): void {
    if (this.#tail === this.#values.length) this.#makeRoom();
    this.#values[this.#tail] = value;
    this.#tail += 1;
  }

  /** Takes the first away. */
  shift(): void {
    this.#head += 1;
  }

  /** Takes those at the front that are below a limit; what it gives holds until the list next grows. */
  takeBelow(limit: number): Float64Array {
    const from = this.#head;
    while (this.first < limit) this.#head += 1;
    return this.#values.subarray(from, this.#head);
  }

  #makeRoom(): void {
    const { values } = this;
    const target =
      values.length > this.#values.length / 2 ? new Float64Array(2 * this.#values.length) : this.#values;
    target.set(values);
    this.#values = target;
    this.#tail = values.length;
    this.#head = 0;
  }
}
