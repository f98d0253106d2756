import type { HandlerContext } from '../handle/context.ts';
import type { Delivery } from './job.ts';

export type SlotEvents = {
  readonly returned: (slot: Slot) => void;
  readonly threw: (slot: Slot, error: unknown) => void;
};

/**
 * Room for one job at a time. Slots live as long as the worker, with their two callbacks, so that starting a job makes
 * no closure.
 *
 * - idle: takes a job.
 * - running: its job has not settled.
 * - stuck: its job has not settled and was given up; the slot is idle again when it does.
 */
export class Slot {
  phase: 'idle' | 'running' | 'stuck' = 'idle';
  startedMs = 0;
  deadlineMs = 0;
  #delivery: Delivery | undefined;
  #context: HandlerContext | undefined;
  readonly #returned: () => void;
  readonly #threw: (error: unknown) => void;

  constructor(events: SlotEvents) {
    this.#returned = () => events.returned(this);
    this.#threw = (error) => events.threw(this, error);
  }

  get delivery(): Delivery {
    if (this.#delivery === undefined) throw new Error('an idle slot holds no delivery');
    return this.#delivery;
  }

  get context(): HandlerContext {
    if (this.#context === undefined) throw new Error('an idle slot has no context');
    return this.#context;
  }

  begin(delivery: Delivery, context: HandlerContext, startedMs: number, deadlineMs: number): void {
    this.phase = 'running';
    this.#delivery = delivery;
    this.#context = context;
    this.startedMs = startedMs;
    this.deadlineMs = deadlineMs;
  }

  /** Reports when the handler's promise settles. */
  follow(pending: Promise<unknown>): void {
    pending.then(this.#returned, this.#threw);
  }

  end(): void {
    this.#context?.end();
    this.phase = 'idle';
    this.#delivery = undefined;
    this.#context = undefined;
  }
}
