import { parentPort } from 'node:worker_threads';
import { PenstockError } from '#common/errors.ts';
import type { Logger } from '#common/log.ts';
import type { OutgoingMessage } from '../../produce/wire.ts';
import { abortReason } from '../context.ts';
import type { JobContext } from '../context.ts';
import type { HostMessage, ThreadCall, ThreadJob } from './messages.ts';

/** A job's context in its thread: what needs the connection is done by the worker. */
export class ThreadContext implements JobContext {
  readonly deadline: Date;
  readonly logger: Logger;
  readonly #id: number;
  readonly #controller = new AbortController();
  readonly #open = new Map<number, PromiseWithResolvers<undefined>>();
  #calls = 0;
  #failure: Error | undefined;

  constructor({ id, stream, sequence, attempt, deadline }: ThreadJob, log: Logger) {
    this.#id = id;
    this.deadline = deadline;
    this.logger = log.child({ stream, sequence, attempt });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  publish(message: OutgoingMessage): Promise<void> {
    this.signal.throwIfAborted();
    return this.#ask(message);
  }

  flush(): Promise<void> {
    return this.#ask(undefined);
  }

  singleFlight(): Promise<never> {
    return Promise.reject(
      new PenstockError(
        'NotInThreads',
        'singleFlight needs its function in the worker itself, not in a thread; do it in a stage of its own',
      ),
    );
  }

  limit(): Promise<never> {
    return Promise.reject(
      new PenstockError('NotInThreads', 'limits are kept in the worker, not in threads; use PENSTOCK_SLOTS'),
    );
  }

  slotState(): Promise<never> {
    return Promise.reject(
      new PenstockError('NotInThreads', 'a thread keeps its own state: use a variable of the module'),
    );
  }

  receive(message: HostMessage): void {
    if (message.id !== this.#id) return;
    if (message.kind === 'abort') this.#controller.abort(abortReason(message.name, message.message));
    else this.#answer(message.call, message.error);
  }

  /**
   * Resolves when all that was asked for has been done, also what the handler did not wait for.
   *
   * @throws PenstockError `PublishFailed`
   */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#open.values()].map(({ promise }) => promise));
    if (this.#failure !== undefined) throw this.#failure;
  }

  #ask(publish: OutgoingMessage | undefined): Promise<undefined> {
    const call = (this.#calls += 1);
    const answer = Promise.withResolvers<undefined>();
    // Whoever does not wait for it learns of a failure from `settled`.
    answer.promise.catch(() => undefined);
    this.#open.set(call, answer);
    parentPort?.postMessage({ id: this.#id, call, publish } satisfies ThreadCall);
    return answer.promise;
  }

  #answer(call: number, error: string | undefined): void {
    const open = this.#open.get(call);
    this.#open.delete(call);
    if (error === undefined) {
      open?.resolve(undefined);
      return;
    }
    this.#failure ??= new PenstockError('PublishFailed', error, { retryable: true });
    open?.reject(this.#failure);
  }
}
