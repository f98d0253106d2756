import type { NatsConnection } from '@nats-io/transport-node';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { Publisher } from '../produce/publisher.ts';
import type { PublisherStats } from '../produce/publisher.ts';
import type { Limits } from './limits.ts';
import type { SingleFlights } from './singleFlight.ts';
import type { SlotStates } from './slotStates.ts';

export type JobToolsParts = {
  readonly connection: NatsConnection;
  readonly inboxPrefix: string;
  readonly consumer: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly flights: SingleFlights;
  readonly limits: Limits;
  /** Undefined: slots keep nothing. */
  readonly slotStates: SlotStates | undefined;
};

/** What all jobs of a worker share, for their contexts. */
export class JobTools implements AsyncDisposable {
  readonly #parts: JobToolsParts;
  #publisher: Publisher | undefined;

  constructor(parts: JobToolsParts) {
    this.#parts = parts;
  }

  get clock(): Clock {
    return this.#parts.clock;
  }

  get log(): Logger {
    return this.#parts.log;
  }

  get flights(): SingleFlights {
    return this.#parts.flights;
  }

  get limits(): Limits {
    return this.#parts.limits;
  }

  get slotStates(): SlotStates | undefined {
    return this.#parts.slotStates;
  }

  get consumer(): string {
    return this.#parts.consumer;
  }

  /** Made for the first job that publishes: others need no subscription and no timer. */
  get publisher(): Publisher {
    const { connection, inboxPrefix } = this.#parts;
    return (this.#publisher ??= new Publisher(connection, { inboxPrefix }));
  }

  /** Undefined until a job publishes. */
  get published(): PublisherStats | undefined {
    return this.#publisher?.stats();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#publisher?.[Symbol.asyncDispose]();
    await this.#parts.slotStates?.[Symbol.asyncDispose]();
  }
}
