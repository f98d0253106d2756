import { PenstockError } from '#common/errors.ts';
import type { Logger } from '#common/log.ts';
import type { Job } from '../consume/job.ts';
import type { OutgoingMessage } from '../produce/wire.ts';
import type { Permit } from './limits.ts';
import { Outbox } from './outbox.ts';
import type { FlightOptions, FlightWork } from './flight.ts';
import type { JobTools } from './tools.ts';

/** What a handler gets beside its job. */
export type JobContext = {
  /**
   * Aborted when the result is no longer wanted: time limit passed, worker shutting down, or lease lost. Its reason is
   * an Error whose name says which: `TimeoutError`, `ShutdownError`, `LeaseLostError`.
   */
  readonly signal: AbortSignal;
  /** Writes the job's sequence and attempt with each line. */
  readonly logger: Logger;
  /** When the time limit passes. */
  readonly deadline: Date;
  /**
   * Publishes to another stream. The job is acked only once all that it published is stored; what cannot be stored
   * fails the job. Run again, a job that publishes in the same order stores nothing twice within the duplicate window
   * of that stream (2 minutes unless set): each message has an id that is made of the job and its number, unless it
   * brings its own.
   *
   * @returns undefined when it is under way; a promise for that when it has to wait for room: await it.
   * @throws the signal's reason, once that is aborted: the job's result is no longer wanted.
   */
  publish(message: OutgoingMessage): Promise<void> | undefined;
  /**
   * Resolves when all that this job has published is stored. The worker does it before the ack.
   *
   * @throws PenstockError `PublishFailed`
   */
  flush(): Promise<void>;
  /**
   * Calls `work` once for all jobs that ask for the same key at the same time, in this worker, and in all workers that
   * share the bucket of `singleFlight` in their options. Nothing is remembered but what `shareMs` asks for.
   *
   * @throws what the work throws, to all who waited for it; or the reason of this job's signal.
   */
  singleFlight<T>(key: string, work: FlightWork<T>, options?: FlightOptions): Promise<T>;
  /**
   * Waits for a part of a limit that all jobs of this worker share, in the order in which they ask. Dispose of the
   * permit when done (`using permit = await limit('database')`); the end of the job does so as well.
   *
   * @param name one of `limits` in the options.
   * @param weight how much of it; default 1. More than there is gets all of it.
   * @throws PenstockError `NoSuchLimit`; or the reason of this job's signal.
   */
  limit(name: string, weight?: number): Promise<Permit>;
  /**
   * What this slot keeps from job to job, built now if it is not there: see `slotState` in the options.
   *
   * @throws PenstockError `NoSlotState`; or what its `build` throws.
   */
  slotState(): Promise<unknown>;
};

/**
 * One function per worker. Returning acks the job; throwing retries it (`RetryLater` names the delay, `Discard` gives
 * it up).
 */
export type Handler = (job: Job, context: JobContext) => unknown;

/** The signal, the logger and the rest are made when they are first asked for: most short jobs never do. */
export class HandlerContext implements JobContext {
  readonly #job: Job;
  readonly #tools: JobTools;
  readonly #deadlineMs: number;
  #controller: AbortController | undefined;
  #logger: Logger | undefined;
  #outbox: Outbox | undefined;
  #permits: Permit[] | undefined;
  #abortReason: Error | undefined;
  #hasEnded = false;
  readonly #slot: object;

  /**
   * @param deadlineMs monotonic time of the time limit.
   * @param slot where the job runs: whatever is kept from job to job is kept for it.
   */
  constructor(job: Job, tools: JobTools, deadlineMs: number, slot: object) {
    this.#job = job;
    this.#tools = tools;
    this.#deadlineMs = deadlineMs;
    this.#slot = slot;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  get logger(): Logger {
    return (this.#logger ??= this.#tools.log.child({
      sequence: this.#job.sequence,
      attempt: this.#job.attempt,
    }));
  }

  get deadline(): Date {
    const { clock } = this.#tools;
    return new Date(clock.wallMs() + this.#deadlineMs - clock.monotonicMs());
  }

  publish(message: OutgoingMessage): Promise<void> | undefined {
    if (this.#abortReason !== undefined) throw this.#abortReason;
    const { publisher, consumer } = this.#tools;
    return (this.#outbox ??= new Outbox(publisher, this.#job, consumer)).publish(message);
  }

  async flush(): Promise<void> {
    await this.unstored();
  }

  async singleFlight<T>(key: string, work: FlightWork<T>, options: FlightOptions = {}): Promise<T> {
    return this.#tools.flights.fly(key, work, this.signal, options);
  }

  async limit(name: string, weight = 1): Promise<Permit> {
    const permit = await this.#tools.limits.acquire(name, weight, this.signal);
    if (this.#hasEnded) {
      // Its handler did not wait for it, or died while it did: nobody else would give it back.
      permit[Symbol.dispose]();
      throw new PenstockError('JobEnded', `limit "${name}" has come too late: the job has ended`);
    }
    (this.#permits ??= []).push(permit);
    return permit;
  }

  async slotState(): Promise<unknown> {
    const { slotStates, clock } = this.#tools;
    if (slotStates !== undefined) return slotStates.of(this.#slot, clock.monotonicMs());
    throw new PenstockError('NoSlotState', 'slots keep nothing; set slotState in the options, or export it');
  }

  /** The handler has ended. */
  end(): void {
    this.#hasEnded = true;
    if (this.#permits === undefined) return;
    for (const permit of this.#permits) permit[Symbol.dispose]();
    this.#permits = undefined;
  }

  /** As `flush`, but undefined when there is nothing to wait for. */
  unstored(): Promise<undefined> | undefined {
    return this.#outbox?.flush();
  }

  get abortReason(): Error | undefined {
    return this.#abortReason;
  }

  /** Only the first reason counts. Listeners of the handler that throw are reported by Node, not here. */
  abort(reason: Error): void {
    if (this.#abortReason !== undefined) return;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }
}

export type AbortName = 'TimeoutError' | 'ShutdownError' | 'LeaseLostError';

export function abortReason(name: AbortName, message: string): Error {
  const error = new Error(message);
  error.name = name;
  return error;
}
