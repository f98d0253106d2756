import { PenstockError, toError } from '#common/errors.ts';
import type { Logger } from '#common/log.ts';
import type { OutgoingMessage } from '../../produce/wire.ts';
import { abortReason } from '../context.ts';
import type { JobContext } from '../context.ts';
import type { FlightOptions, FlightWork } from '../flight.ts';
import type { Permit } from '../limits.ts';
import type { HostPort } from './hostPort.ts';
import type { AbortMessage, Request, ThreadJob } from './messages.ts';

/** A job's context in its thread: what needs the connection, or is shared, is done by the worker. */
export class ThreadContext implements JobContext {
  readonly deadline: Date;
  readonly logger: Logger;
  readonly #id: number;
  readonly #host: HostPort;
  readonly #controller = new AbortController();
  /** What the job has published, or asked to be flushed, and nobody has answered yet. */
  readonly #open = new Set<Promise<void>>();
  #failure: Error | undefined;

  constructor({ id, stream, sequence, attempt, deadline }: ThreadJob, host: HostPort, log: Logger) {
    this.#id = id;
    this.#host = host;
    this.deadline = deadline;
    this.logger = log.child({ stream, sequence, attempt });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  publish(message: OutgoingMessage): Promise<void> {
    this.signal.throwIfAborted();
    return this.#ask({ kind: 'publish', message });
  }

  flush(): Promise<void> {
    return this.#ask({ kind: 'flush' });
  }

  /** Its function runs in a thread, its result is a copy. */
  singleFlight<T>(key: string, work: FlightWork<T>, options?: FlightOptions): Promise<T> {
    return this.#host.singleFlight(this.#id, key, work, options);
  }

  limit(name: string, weight?: number): Promise<Permit> {
    return this.#host.limit(this.#id, name, weight);
  }

  slotState(): Promise<never> {
    return Promise.reject(
      new PenstockError('NotInThreads', 'a thread keeps its own state: use a variable of the module'),
    );
  }

  /** Looks whether it is this job that is aborted. */
  receive({ id, name, message }: AbortMessage): void {
    if (id === this.#id) this.#controller.abort(abortReason(name, message));
  }

  /**
   * Resolves when all that was published is stored, also what the handler did not wait for.
   *
   * @throws PenstockError `PublishFailed`
   */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#open);
    if (this.#failure !== undefined) throw this.#failure;
  }

  #ask(request: Request): Promise<void> {
    const answer = this.#host.ask(this.#id, request);
    this.#open.add(answer);
    // Whoever does not wait for it learns of a failure from `settled`.
    answer
      .catch((error: unknown) => {
        this.#failure ??= toError(error);
      })
      .finally(() => this.#open.delete(answer));
    return answer;
  }
}
