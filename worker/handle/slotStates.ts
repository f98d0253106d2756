import { describeError } from '#common/errors.ts';
import type { Logger } from '#common/log.ts';
import { within } from '../lifecycle/within.ts';

/** What each slot keeps from job to job: a connection, a cache, a loaded model. */
export type SlotStateSource = {
  /** Called when a job in the slot first asks; one that fails fails the job, and is tried again for the next. */
  readonly build: () => unknown;
  /** Called once nobody needs it: the slot was idle for long, or the worker ends. */
  readonly release?: (state: unknown) => unknown;
  /** How long a slot may be idle before its state is released, milliseconds. Default 60,000. */
  readonly idleMs?: number;
};

/** The last of a stop; a state that cannot be released must not hold the process. */
const releaseTimeoutMs = 2_000;
const defaultIdleMs = 60_000;

type Kept = { readonly state: Promise<unknown>; lastBusyMs: number };

/** The states of the slots: built on demand, one job at a time, released when idle. */
export class SlotStates implements AsyncDisposable {
  readonly #source: SlotStateSource;
  readonly #log: Logger;
  readonly #kept = new Map<object, Kept>();

  constructor(source: SlotStateSource, log: Logger) {
    this.#source = source;
    this.#log = log;
  }

  /** States that are there or being built. */
  get size(): number {
    return this.#kept.size;
  }

  /** @throws what `build` throws. */
  async of(slot: object, nowMs: number): Promise<unknown> {
    const known = this.#kept.get(slot);
    if (known !== undefined) {
      known.lastBusyMs = nowMs;
      return known.state;
    }
    const kept = { state: Promise.resolve().then(() => this.#source.build()), lastBusyMs: nowMs };
    this.#kept.set(slot, kept);
    try {
      return await kept.state;
    } catch (error) {
      this.#kept.delete(slot);
      throw error;
    }
  }

  /** The slot has a job now. */
  seeBusy(slot: object, nowMs: number): void {
    const kept = this.#kept.get(slot);
    if (kept !== undefined) kept.lastBusyMs = nowMs;
  }

  /** Releases what has been idle for long. Call it regularly, after `seeBusy` for each slot that is not idle. */
  sweep(nowMs: number): void {
    const { idleMs = defaultIdleMs } = this.#source;
    for (const [slot, kept] of this.#kept) {
      if (nowMs - kept.lastBusyMs < idleMs) continue;
      this.#kept.delete(slot);
      void this.#release(kept);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#kept.values()];
    this.#kept.clear();
    await within(releaseTimeoutMs, Promise.all(all.map((kept) => this.#release(kept))));
  }

  async #release({ state }: Kept): Promise<void> {
    try {
      await this.#source.release?.(await state);
    } catch (error) {
      this.#log.warn({ error: describeError(error) }, 'the state of a slot could not be released');
    }
  }
}
