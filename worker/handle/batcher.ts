import type { Counters } from '../report/counters.ts';
import { Batch } from './batch.ts';
import type { BatchErrorMode, BatchHandler, BatchItem } from './batch.ts';
import type { Handler } from './context.ts';
import type { HandlerHost } from './host.ts';

export type BatchPolicy = {
  /** Jobs in a batch at most. */
  readonly size: number;
  /** How long the oldest job waits for others, milliseconds. */
  readonly waitMs: number;
  readonly errors: BatchErrorMode;
};

/** What a worker runs: one job at a time in each slot, or batches of them. */
export type Work =
  | { readonly kind: 'single'; readonly host: HandlerHost }
  | { readonly kind: 'batch'; readonly handler: BatchHandler; readonly policy: BatchPolicy };

/**
 * Makes a handler of single jobs out of one that wants several: jobs take slots as ever, with leases, limits and lanes
 * of their own, and meet here.
 *
 *   job → slot ┐                ┌ full, or waitMs after its first job, or the worker ends
 *   job → slot ┼→ being filled ─┴→ one call of the batch handler → each slot gets the result of its job
 *   job → slot ┘
 *
 * No more batches run at once than the worker has slots; jobs that come meanwhile fill the next one.
 */
export class Batcher {
  readonly #handler: BatchHandler;
  readonly #policy: BatchPolicy;
  readonly #mostRunning: number;
  readonly #counters: Counters;
  readonly #filling: BatchItem[] = [];
  #timer: NodeJS.Timeout | undefined;
  #running = 0;
  /** What is being filled has waited long enough. */
  #due = false;
  #flushing = false;

  /** @param mostRunning batches that may run at once. */
  constructor(handler: BatchHandler, policy: BatchPolicy, mostRunning: number, counters: Counters) {
    this.#handler = handler;
    this.#policy = policy;
    this.#mostRunning = mostRunning;
    this.#counters = counters;
  }

  /** Resolves or rejects as the job fares in its batch. */
  readonly handle: Handler = (job, context) =>
    new Promise<void>((resolve, reject: (error: unknown) => void) => {
      this.#filling.push({ job, context, resolve, reject });
      if (this.#filling.length >= this.#policy.size || this.#flushing) this.#launch();
      else this.#timer ??= setTimeout(() => this.#onTime(), this.#policy.waitMs);
    });

  /** No job waits for others from now on. */
  flush(): void {
    this.#flushing = true;
    this.#launch();
  }

  #onTime(): void {
    this.#due = true;
    this.#launch();
  }

  /** Starts what is full or due, as far as batches may run. */
  #launch(): void {
    const { size, errors } = this.#policy;
    while (this.#running < this.#mostRunning) {
      const isFull = this.#filling.length >= size;
      if (!isFull && !this.#due && !this.#flushing) return;
      const [first, ...others] = this.#filling.splice(0, size);
      this.#restartWait();
      if (first === undefined) return;
      this.#running += 1;
      this.#counters.batches += 1;
      if (isFull) this.#counters.fullBatches += 1;
      void new Batch([first, ...others], errors).run(this.#handler).then(() => {
        this.#running -= 1;
        this.#launch();
      });
    }
  }

  /** For the jobs that are left: the wait of the first of them is not known any more, and begins again. */
  #restartWait(): void {
    clearTimeout(this.#timer);
    this.#due = false;
    this.#timer =
      this.#filling.length === 0 ? undefined : setTimeout(() => this.#onTime(), this.#policy.waitMs);
  }
}
