import type { Logger } from '#common/log.ts';
import type { Job } from '../consume/job.ts';
import { NotStarted } from '../outcome/verdict.ts';
import type { JobContext } from './context.ts';

/** What one failed job means for the others of its batch. */
export const batchErrorModes = ['each', 'fail-fast', 'collect'] as const;
export type BatchErrorMode = (typeof batchErrorModes)[number];

/** What a batch handler gets beside its jobs. */
export type BatchContext = {
  /** Aborted when no result is wanted any more: as that of the oldest job, and in mode `fail-fast` at the first error. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
  /** When the time limit of the oldest job passes. */
  readonly deadline: Date;
  /** The job has succeeded. It is acked at once, in mode `collect` with the others. */
  done(job: Job): void;
  /** The job has failed, and only it; like throwing in a handler of single jobs. */
  fail(job: Job, error: unknown): void;
  /** The context of one job, to publish in its name. */
  of(job: Job): JobContext;
};

/**
 * Works on several jobs at once. Of those that are neither done nor failed, returning acks all and throwing fails all.
 * A job that was given its result keeps the first one.
 */
export type BatchHandler = (jobs: readonly Job[], context: BatchContext) => unknown;

/** A job of a batch, and the promise that its slot waits for. */
export type BatchItem = {
  readonly job: Job;
  readonly context: JobContext;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
};

/**
 * One call of a batch handler, and the results of its jobs.
 *
 * - each: a job's own result is settled as soon as it is known.
 * - fail-fast: the first error aborts the signal; jobs without a result when the handler ends are handed back.
 * - collect: nothing is settled before the handler ends; then the batch stands or falls as a whole, and an
 *   AggregateError names all errors.
 *
 * Nothing is handed back or failed while the handler may still work on it.
 */
export class Batch implements BatchContext {
  readonly logger: Logger;
  readonly deadline: Date;
  readonly #mode: BatchErrorMode;
  readonly #open: Map<Job, BatchItem>;
  readonly #all: readonly BatchItem[];
  readonly #contexts: ReadonlyMap<Job, JobContext>;
  readonly #controller = new AbortController();
  readonly #errors: unknown[] = [];

  /** @param items at least one, the oldest first. */
  constructor(items: readonly [BatchItem, ...BatchItem[]], mode: BatchErrorMode) {
    const [{ context: oldest }] = items;
    this.logger = oldest.logger;
    this.deadline = oldest.deadline;
    this.#mode = mode;
    this.#all = items;
    this.#open = new Map(items.map((item) => [item.job, item]));
    this.#contexts = new Map(items.map(({ job, context }) => [job, context]));
    const abort = (): void => this.#controller.abort(oldest.signal.reason);
    if (oldest.signal.aborted) abort();
    else oldest.signal.addEventListener('abort', abort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Calls the handler, and gives every job its result. Never rejects. */
  async run(handler: BatchHandler): Promise<void> {
    if (this.signal.aborted) {
      const error = new NotStarted('the batch was not started in time', { cause: this.signal.reason });
      for (const item of this.#takeAll()) item.reject(error);
      return;
    }
    try {
      await handler([...this.#open.keys()], this);
    } catch (error) {
      this.#errors.push(error);
      if (this.#mode !== 'collect') for (const item of this.#takeAll()) item.reject(error);
    }
    this.#settle();
  }

  done(job: Job): void {
    if (this.#mode !== 'collect') this.#take(job)?.resolve();
  }

  fail(job: Job, error: unknown): void {
    const item = this.#take(job);
    if (item === undefined) return;
    this.#errors.push(error);
    if (this.#mode === 'collect') return;
    item.reject(error);
    if (this.#mode === 'fail-fast') this.#controller.abort(error);
  }

  of(job: Job): JobContext {
    const context = this.#contexts.get(job);
    if (context === undefined) throw new Error('the job is none of this batch');
    return context;
  }

  #settle(): void {
    const [first] = this.#errors;
    if (this.#errors.length === 0) {
      for (const item of this.#takeAll()) item.resolve();
    } else if (this.#mode === 'collect') {
      const error = this.#errors.length === 1 ? first : collected(this.#errors, this.#all.length);
      for (const item of this.#all) item.reject(error);
    } else if (this.#mode === 'fail-fast') {
      const error = new NotStarted('another job of its batch failed', { cause: first });
      for (const item of this.#takeAll()) item.reject(error);
    } else {
      for (const item of this.#takeAll()) item.resolve();
    }
  }

  #take(job: Job): BatchItem | undefined {
    const item = this.#open.get(job);
    this.#open.delete(job);
    return item;
  }

  #takeAll(): BatchItem[] {
    const items = [...this.#open.values()];
    this.#open.clear();
    return items;
  }
}

function collected(errors: readonly unknown[], jobs: number): AggregateError {
  const messages = errors.map((error) => (error instanceof Error ? error.message : String(error)));
  return new AggregateError(errors, `${errors.length} errors in a batch of ${jobs}: ${messages.join('; ')}`);
}
