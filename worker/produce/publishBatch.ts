import type { PenstockError } from '#common/errors.ts';
import type { Settle, Stored } from './wire.ts';

/** What became of one message of `publishAll`. A failed one can be sent again with its id. */
export type PublishResult =
  ({ readonly kind: 'stored' } & Stored) | { readonly kind: 'failed'; readonly error: PenstockError };

/** Collects the results of many messages in the order of the messages: one promise for all of them. */
export class PublishBatch {
  readonly #results: PublishResult[] = [];
  readonly #whole = Promise.withResolvers<readonly PublishResult[]>();
  #messages = 0;
  /** The end of the batch counts as one. */
  #missing = 1;

  /** Resolves when the batch has ended and each of its messages has a result. */
  get results(): Promise<readonly PublishResult[]> {
    return this.#whole.promise;
  }

  /** Another message, whose result is given by what is returned. */
  add(): Settle {
    const index = this.#messages;
    this.#messages += 1;
    this.#missing += 1;
    const settle = (result: PublishResult): void => {
      this.#results[index] = result;
      this.#given();
    };
    return {
      stored: (ack) => settle({ kind: 'stored', ...ack }),
      failed: (error) => settle({ kind: 'failed', error }),
    };
  }

  /** No message follows. */
  end(): void {
    this.#given();
  }

  /** Where the messages come from has failed: nobody learns of those that are under way. */
  abandon(error: unknown): void {
    this.#whole.reject(error);
  }

  #given(): void {
    this.#missing -= 1;
    if (this.#missing === 0) this.#whole.resolve(this.#results);
  }
}
