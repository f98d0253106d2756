import { toError } from '#common/errors.ts';
import { createLogger } from '#common/log.ts';
import type { Logger } from '#common/log.ts';
import type { Job } from '../consume/job.ts';
import { abortReason } from '../handle/context.ts';
import type { Handler, JobContext } from '../handle/context.ts';
import type { Permit } from '../handle/limits.ts';
import { SingleFlights } from '../handle/singleFlight.ts';
import { workerDefaults } from '../options.ts';
import { judge } from '../outcome/verdict.ts';
import type { RetryPolicy, Verdict } from '../outcome/verdict.ts';
import type { OutgoingMessage } from '../produce/wire.ts';
import { Counters } from '../report/counters.ts';
import { toJob } from './givenJob.ts';
import type { GivenJob } from './givenJob.ts';

export type { GivenJob } from './givenJob.ts';

/**
 * What would become of the message:
 *
 * - `ack`: done.
 * - `retry` after `delayMs`, `deadLetter` for a `reason`, each with its `error`.
 * - `handBack`: interrupted by the end of the worker.
 * - `lost`: its lease ended first, and the worker says nothing about it.
 */
export type JobOutcome = { readonly kind: 'ack' } | { readonly kind: 'lost' } | Verdict;

export type RunJobOptions = {
  /** Time limit, milliseconds of the test's own clock. Default 300,000. */
  readonly jobTimeoutMs?: number;
  /** Time from the abort until the job counts as stuck. Default 2,000. */
  readonly abortGraceMs?: number;
  /** Default 5. */
  readonly maxAttempts?: number;
  /** Default 1,000 and 300,000. */
  readonly backoff?: { readonly baseMs: number; readonly maxMs: number };
  /** From 0 to below 1: where in the backoff's range the delay falls. Default 0.5. */
  readonly random?: number;
  /** Default: silent. */
  readonly logger?: Logger;
  /** What `context.slotState()` gives. */
  readonly slotState?: unknown;
};

/** A job that runs, without a server, in a time that only the test moves on. */
export type JobRun = {
  /** Resolves when the message's fate is known; never rejects. */
  readonly outcome: Promise<JobOutcome>;
  /** What the handler has published so far. */
  readonly published: readonly OutgoingMessage[];
  /** Whether the handler has been told to stop. */
  readonly signal: AbortSignal;
  /**
   * Time passes: at the time limit the signal is aborted, and after the abort grace a job that goes on is given up.
   * Timers of the handler itself are not moved.
   */
  advance(ms: number): void;
  /** The worker ends, and its grace is over. */
  shutDown(): void;
  /** The worker's event loop stood still for too long: another one may run this job. */
  loseLease(): void;
};

/**
 * Runs a handler for one job in memory.
 *
 *   const run = runJob(resize, { payload: { url, width: 200 }, attempt: 5 });
 *   expect(await run.outcome).toMatchObject({ kind: 'deadLetter', reason: 'AttemptsExhausted' });
 */
export function runJob(handler: Handler, given: GivenJob = {}, options: RunJobOptions = {}): JobRun {
  return new InMemoryRun(handler, toJob(given), options);
}

/** One job, as `runJob` and `runBatch` run it. */
export class InMemoryRun implements JobRun, JobContext {
  readonly outcome: Promise<JobOutcome>;
  readonly published: OutgoingMessage[] = [];
  readonly logger: Logger;
  readonly deadline: Date;
  readonly #job: Job;
  readonly #policy: RetryPolicy;
  readonly #random: number;
  readonly #jobTimeoutMs: number;
  readonly #abortGraceMs: number;
  readonly #slotState: unknown;
  readonly #controller = new AbortController();
  readonly #flights: SingleFlights;
  readonly #decided = Promise.withResolvers<JobOutcome>();
  #elapsedMs = 0;

  /** @param flights shared by the jobs that run beside each other. */
  constructor(
    handler: Handler,
    job: Job,
    options: RunJobOptions,
    flights = new SingleFlights(undefined, new Counters()),
  ) {
    const { jobTimeoutMs = workerDefaults.jobTimeoutMs, maxAttempts = workerDefaults.maxAttempts } = options;
    const { backoffBaseMs: baseMs, backoffMaxMs: maxMs } = workerDefaults;
    this.#job = job;
    this.#flights = flights;
    this.#policy = { maxAttempts, backoff: options.backoff ?? { baseMs, maxMs } };
    this.#random = options.random ?? 0.5;
    this.#jobTimeoutMs = jobTimeoutMs;
    this.#abortGraceMs = options.abortGraceMs ?? workerDefaults.abortGraceMs;
    this.#slotState = options.slotState;
    this.logger = options.logger ?? createLogger('worker', 'silent');
    this.deadline = new Date(Date.now() + jobTimeoutMs);
    this.outcome = this.#decided.promise;
    void this.#run(handler);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  publish(message: OutgoingMessage): undefined {
    this.signal.throwIfAborted();
    this.published.push(message);
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  singleFlight: JobContext['singleFlight'] = (key, work, flightOptions = {}) =>
    this.#flights.fly(key, work, this.signal, flightOptions);

  /** A lone job never waits. */
  limit(): Promise<Permit> {
    this.signal.throwIfAborted();
    return Promise.resolve({ [Symbol.dispose]: () => undefined });
  }

  slotState(): Promise<unknown> {
    return Promise.resolve(this.#slotState);
  }

  advance(ms: number): void {
    this.#elapsedMs += ms;
    if (this.#elapsedMs < this.#jobTimeoutMs) return;
    const timeout = abortReason('TimeoutError', `the job passed its time limit of ${this.#jobTimeoutMs} ms`);
    this.#abort(timeout);
    if (this.#elapsedMs >= this.#jobTimeoutMs + this.#abortGraceMs) this.#fail(timeout);
  }

  shutDown(): void {
    this.#abort(abortReason('ShutdownError', 'the worker is shutting down'));
  }

  loseLease(): void {
    this.#abort(abortReason('LeaseLostError', 'the lease is over; another worker may run this job'));
    this.#decided.resolve({ kind: 'lost' });
  }

  async #run(handler: Handler): Promise<void> {
    try {
      await handler(this.#job, this);
      this.#decided.resolve({ kind: 'ack' });
    } catch (error) {
      this.#fail(error);
    }
  }

  #abort(reason: Error): void {
    if (!this.signal.aborted) this.#controller.abort(reason);
  }

  #fail(error: unknown): void {
    const interrupted = this.signal.aborted && toError(this.signal.reason).name === 'ShutdownError';
    const failure = { error, attempt: this.#job.attempt, interrupted };
    this.#decided.resolve(judge(failure, this.#policy, this.#random));
  }
}
