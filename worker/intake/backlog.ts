import { describeError } from '#common/errors.ts';
import type { Logger } from '#common/log.ts';
import type { NatsConnection } from '#common/nats.ts';
import { sleep } from '#common/sleep.ts';
import { z } from 'zod';
import { requestApi } from '../jetstream/api.ts';

const lookEveryMs = 1_000;
const consumerSchema = z.object({
  num_pending: z.number().nonnegative(),
  num_ack_pending: z.number().nonnegative(),
});

/** What waits for a consumer, looked up once a second, with what has been taken in since. */
export class Backlog {
  #seen: number | undefined;
  #takenSince = 0;

  /** Undefined while the consumer's state is not known: then the stream has the last word. */
  get jobs(): number | undefined {
    return this.#seen === undefined ? undefined : this.#seen + this.#takenSince;
  }

  taken(): void {
    this.#takenSince += 1;
  }

  async watch(
    connection: NatsConnection,
    { stream, consumer }: { readonly stream: string; readonly consumer: string },
    signal: AbortSignal,
    log: Logger,
  ): Promise<void> {
    while (!signal.aborted) {
      const takenBefore = this.#takenSince;
      try {
        const info = consumerSchema.parse(
          await requestApi(connection, `CONSUMER.INFO.${stream}.${consumer}`),
        );
        this.#seen = info.num_pending + info.num_ack_pending;
        this.#takenSince -= takenBefore;
      } catch (error) {
        if (this.#seen !== undefined)
          log.warn({ consumer, error: describeError(error) }, 'the backlog is unknown');
        this.#seen = undefined;
        this.#takenSince = 0;
      }
      await sleep(lookEveryMs, signal);
    }
  }
}
