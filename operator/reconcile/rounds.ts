import type { Clock } from '#common/clock.ts';
import { sleep } from '#common/sleep.ts';

type Circle<M> = {
  readonly members: Set<M>;
  readonly stop: AbortController;
  readonly done: Promise<void>;
};

/**
 * Circles of members that are looked at together, once a period each. The first round of a circle begins at once, the
 * next ones at a moment of the period that its key stands for, so that circles that came together do not stay together.
 */
export class Rounds<M> {
  readonly #clock: Clock;
  readonly #periodMs: number;
  readonly #look: (members: ReadonlySet<M>, dueMs: number) => Promise<void>;
  readonly #circles = new Map<string, Circle<M>>();
  readonly #ending = new Set<Promise<void>>();

  /** @param look never rejects; the next round of the circle waits for it. */
  constructor(
    clock: Clock,
    periodMs: number,
    look: (members: ReadonlySet<M>, dueMs: number) => Promise<void>,
  ) {
    this.#clock = clock;
    this.#periodMs = periodMs;
    this.#look = look;
  }

  join(key: string, member: M): void {
    const circle = this.#circles.get(key);
    if (circle !== undefined) {
      circle.members.add(member);
      return;
    }
    const members = new Set([member]);
    const stop = new AbortController();
    this.#circles.set(key, { members, stop, done: this.#turn(members, phaseOf(key), stop.signal) });
  }

  leave(key: string, member: M): void {
    const circle = this.#circles.get(key);
    if (circle === undefined) return;
    circle.members.delete(member);
    if (circle.members.size > 0) return;
    circle.stop.abort();
    this.#circles.delete(key);
    this.#ending.add(circle.done);
    void circle.done.finally(() => this.#ending.delete(circle.done));
  }

  /** Resolves when no round is under way. Members have to leave on their own. */
  async stop(): Promise<void> {
    await Promise.all([...this.#ending, ...[...this.#circles.values()].map(({ done }) => done)]);
  }

  async #turn(members: ReadonlySet<M>, phase: number, stop: AbortSignal): Promise<void> {
    let dueMs = this.#clock.monotonicMs();
    // Whoever joins at this moment is looked at, too.
    await Promise.resolve();
    while (!stop.aborted) {
      await this.#look(members, dueMs);
      dueMs = this.#next(dueMs, phase);
      await sleep(dueMs - this.#clock.monotonicMs(), stop);
    }
  }

  /** The moment with this phase that is nearest to one period later; it may be over, but not for more than a period. */
  #next(dueMs: number, phase: number): number {
    const laterMs = dueMs + this.#periodMs;
    const phaseMs = (Math.round(laterMs / this.#periodMs - phase) + phase) * this.#periodMs;
    return Math.max(phaseMs, this.#clock.monotonicMs() - this.#periodMs);
  }
}

/** Where within the period, 0 to 1: FNV-1a of the key. */
function phaseOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index += 1) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193) >>> 0;
  }
  return hash / 2 ** 32;
}
