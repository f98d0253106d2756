import type { MessagePort } from 'node:worker_threads';
import type { JobContext } from '../context.ts';
import type { Permit } from '../limits.ts';
import type { HostMessage, Request, Result, ThreadMessage } from './messages.ts';
import { factsOf, rebuild } from './thrown.ts';

/** A job that runs in a thread. */
export type RunningJob = {
  readonly context: JobContext;
  /** Those that it holds, by the call that asked for them. The end of the job frees what is left. */
  readonly permits: Map<number, Permit>;
};

/**
 * A thread as its host sees it: carries out what handlers in it ask of the contexts of their jobs. When the thread
 * ends, whatever was under way in it has failed.
 */
export class ThreadPort {
  readonly #port: MessagePort;
  readonly #jobs: ReadonlyMap<number, RunningJob>;
  /** Functions of single flights that run in the thread, by the call that brought them. */
  readonly #flights = new Map<number, PromiseWithResolvers<unknown>>();
  #hasEnded = false;

  /** @param jobs those that run, by number. */
  constructor(port: MessagePort, jobs: ReadonlyMap<number, RunningJob>) {
    this.#port = port;
    this.#jobs = jobs;
    port.on('message', (message: ThreadMessage) => this.#receive(message));
    port.on('close', () => this.#end());
    // The pool decides how long its threads keep the process.
    port.unref();
  }

  #receive(message: ThreadMessage): void {
    switch (message.kind) {
      case 'ask':
        void this.#serve(message.id, message.call, message.request);
        return;
      case 'release':
        this.#release(message.id, message.call);
        return;
      case 'landed':
        this.#land(message.call, message.result);
        return;
    }
  }

  async #serve(id: number, call: number, request: Request): Promise<void> {
    let result: Result;
    try {
      const job = this.#jobs.get(id);
      if (job === undefined) throw new Error('the job has ended');
      result = { kind: 'done', value: await this.#carryOut(job, call, request) };
    } catch (error) {
      result = { kind: 'threw', error: factsOf(error) };
    }
    this.#tell({ kind: 'answer', call, result });
  }

  async #carryOut({ context, permits }: RunningJob, call: number, request: Request): Promise<unknown> {
    switch (request.kind) {
      case 'publish':
        return context.publish(request.message);
      case 'flush':
        return context.flush();
      case 'limit':
        permits.set(call, await context.limit(request.name, request.weight));
        return undefined;
      case 'singleFlight':
        return context.singleFlight(request.key, (signal) => this.#fly(call, signal), request.options);
    }
  }

  /** The work of a single flight, done by the thread that asked for it. */
  async #fly(call: number, signal: AbortSignal): Promise<unknown> {
    const flight = Promise.withResolvers<unknown>();
    this.#flights.set(call, flight);
    const onUnwanted = (): void => this.#tell({ kind: 'unwanted', call, reason: factsOf(signal.reason) });
    signal.addEventListener('abort', onUnwanted);
    try {
      if (this.#hasEnded) throw threadEnded();
      this.#tell({ kind: 'takeOff', call });
      return await flight.promise;
    } finally {
      signal.removeEventListener('abort', onUnwanted);
      this.#flights.delete(call);
    }
  }

  #land(call: number, result: Result): void {
    const flight = this.#flights.get(call);
    if (result.kind === 'done') flight?.resolve(result.value);
    else flight?.reject(rebuild(result.error));
  }

  #release(id: number, call: number): void {
    const permits = this.#jobs.get(id)?.permits;
    permits?.get(call)?.[Symbol.dispose]();
    permits?.delete(call);
  }

  #end(): void {
    this.#hasEnded = true;
    for (const flight of this.#flights.values()) flight.reject(threadEnded());
  }

  /** What is told to a thread that has ended is lost, and nobody misses it. */
  #tell(message: HostMessage): void {
    this.#port.postMessage(message);
  }
}

function threadEnded(): Error {
  return new Error('the thread that did the work of the single flight has ended');
}
