import type { Logger } from '#common/log.ts';

const bytesPerMiB = 1_048_576;

/** Stops a worker before the kernel kills it: a drain loses no lease, an OOM kill loses them all. */
export class MemoryCeiling {
  readonly #maxMiB: number;
  readonly #log: Logger;
  #isPassed = false;

  constructor(maxMiB: number, log: Logger) {
    this.#maxMiB = maxMiB;
    this.#log = log;
  }

  get isPassed(): boolean {
    return this.#isPassed;
  }

  /** @param residentBytes memory of the process that is in RAM, which is what a container's limit counts. */
  look(residentBytes: number): boolean {
    const memoryMiB = Math.round(residentBytes / bytesPerMiB);
    if (this.#isPassed || memoryMiB <= this.#maxMiB) return this.#isPassed;
    this.#isPassed = true;
    this.#log.error(
      { memoryMiB, maxMemoryMiB: this.#maxMiB },
      'the memory passed its ceiling; draining, to be started anew',
    );
    return true;
  }
}
