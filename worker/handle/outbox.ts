import type { Job } from '../consume/job.ts';
import type { Publisher } from '../produce/publisher.ts';
import type { OutgoingMessage, Settle } from '../produce/wire.ts';

/**
 * What one job publishes. Its messages have ids that are made of the job and their number, so that a job that runs
 * again stores nothing twice within the duplicate window of the stream that it publishes to.
 */
export class Outbox {
  readonly #publisher: Publisher;
  readonly #idPrefix: string;
  readonly #settle: Settle;
  #published = 0;
  #unconfirmed = 0;
  #failure: Error | undefined;
  #flush: PromiseWithResolvers<undefined> | undefined;

  constructor(publisher: Publisher, job: Job, consumer: string) {
    this.#publisher = publisher;
    // A stream that is deleted and made again counts from 1 again: its times tell the two apart.
    const storedAt = job.publishedAt.getTime().toString(36);
    this.#idPrefix = `${job.stream}:${job.sequence}:${storedAt}:${consumer}`;
    this.#settle = {
      stored: () => this.#confirmed(undefined),
      failed: (error) => this.#confirmed(error),
    };
  }

  /** @throws PenstockError as `Publisher.send` does. */
  publish(message: OutgoingMessage): Promise<void> | undefined {
    const id = message.id ?? `${this.#idPrefix}:${this.#published}`;
    const room = this.#publisher.send({ ...message, id }, this.#settle);
    this.#published += 1;
    this.#unconfirmed += 1;
    return room;
  }

  /**
   * Resolves when all that was published is stored, rejects when some was not; undefined when all is stored already.
   */
  flush(): Promise<undefined> | undefined {
    if (this.#failure !== undefined && this.#unconfirmed === 0) return Promise.reject(this.#failure);
    if (this.#unconfirmed === 0) return undefined;
    return (this.#flush ??= Promise.withResolvers<undefined>()).promise;
  }

  #confirmed(error: Error | undefined): void {
    this.#unconfirmed -= 1;
    this.#failure ??= error;
    if (this.#unconfirmed > 0 || this.#flush === undefined) return;
    const { resolve, reject } = this.#flush;
    this.#flush = undefined;
    if (this.#failure === undefined) resolve(undefined);
    else reject(this.#failure);
  }
}
