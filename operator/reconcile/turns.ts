/**
 * Work in small portions, whoever does it: after each it is the turn of what else the process has to do, requests under
 * way and the renewal of the lease among it. Who asks for more than there is time for makes itself late, not those.
 */
export class Turns {
  readonly #perTurn: number;
  #left: number;
  #next: Promise<void> | undefined;

  /** @param perTurn pieces of work in one turn of the event loop. */
  constructor(perTurn: number) {
    this.#perTurn = perTurn;
    this.#left = perTurn;
  }

  /** Whether one more piece may be done at once. */
  take(): boolean {
    // Also where nobody comes to wait: each turn begins anew.
    void this.next();
    if (this.#left === 0) return false;
    this.#left -= 1;
    return true;
  }

  /** Resolves when all else has had its turn. */
  next(): Promise<void> {
    this.#next ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#next = undefined;
        this.#left = this.#perTurn;
        resolve();
      });
    });
    return this.#next;
  }
}
