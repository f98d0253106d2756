/** One at a time, in the order in which they came. */
export class Floor {
  #isTaken = false;
  readonly #waiting: (() => void)[] = [];

  /** Resolves when the floor is the caller's, who has to leave it. */
  async take(): Promise<void> {
    if (this.#isTaken) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#isTaken = true;
  }

  /** To the next one, if somebody waits. */
  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#isTaken = false;
    else next();
  }
}
