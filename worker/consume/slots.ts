import { Slot } from './slot.ts';
import type { SlotEvents } from './slot.ts';
import type { Window } from './window.ts';

/**
 * The slots of a worker: as many as jobs ever ran at once, built when one is needed. How many may be taken is the
 * window's word, which may change at any time; jobs that run are left alone when it shrinks.
 */
export class Slots {
  readonly #window: Window;
  readonly #events: SlotEvents;
  readonly #all: Slot[] = [];
  /** The one that was used last is taken first, so that the others can be seen to be idle. */
  readonly #idle: Slot[] = [];

  constructor(window: Window, events: SlotEvents) {
    this.#window = window;
    this.#events = events;
  }

  /**
   * A slot for a job of this weight, or undefined while there is no room. A job that is heavier than all slots runs
   * alone.
   */
  take(weight: number): Slot | undefined {
    const { running, slots, stuck } = this.#window;
    const open = slots - stuck;
    if (open <= 0 || (running > 0 && running + weight > open)) return undefined;
    return this.#idle.pop() ?? this.#build();
  }

  giveBack(slot: Slot): void {
    this.#idle.push(slot);
  }

  [Symbol.iterator](): Iterator<Slot> {
    return this.#all[Symbol.iterator]();
  }

  #build(): Slot {
    const slot = new Slot(this.#events);
    this.#all.push(slot);
    return slot;
  }
}
