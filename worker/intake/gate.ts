import { RateLimit } from '../consume/rate.ts';
import type { Backlog } from './backlog.ts';
import type { IntakeConfig } from './config.ts';
import { Refusal } from './refusal.ts';

/** Whether there is room for one more, asked before anything of it is read. */
export class Gate {
  readonly #config: IntakeConfig;
  readonly #backlog: Backlog;
  readonly #rate: RateLimit | undefined;
  /**
   * Whether NATS is there. While it is not, the client would keep every message for later, also those that were given
   * up long ago.
   */
  isConnected = false;
  #inFlight = 0;

  constructor(config: IntakeConfig, backlog: Backlog) {
    this.#config = config;
    this.#backlog = backlog;
    this.#rate = config.rate === undefined ? undefined : new RateLimit(config.rate);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /**
   * Takes a place, to be left with `leave`.
   *
   * @throws Refusal 503
   */
  enter(nowMs: number): void {
    const { maxInFlight, backlog, retryAfterSeconds } = this.#config;
    if (!this.isConnected) throw new Refusal(503, 'NATS is not there', retryAfterSeconds);
    if (this.#inFlight >= maxInFlight) {
      throw new Refusal(503, `${maxInFlight} requests are under way`, retryAfterSeconds);
    }
    const jobs = this.#backlog.jobs;
    if (backlog !== undefined && jobs !== undefined && jobs >= backlog.max) {
      throw new Refusal(503, `${jobs} jobs wait; no more than ${backlog.max} may`, retryAfterSeconds);
    }
    const startMs = this.#rate?.take('', nowMs, false) ?? nowMs;
    if (startMs > nowMs) {
      throw new Refusal(503, 'too many requests a second', Math.ceil((startMs - nowMs) / 1_000));
    }
    this.#inFlight += 1;
  }

  leave(): void {
    this.#inFlight -= 1;
  }
}
