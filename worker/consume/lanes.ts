import type { Delivery } from './job.ts';

type Lane = {
  /** The job that is on its way: it may start, runs, waits for its retry, or is being settled. */
  holder: Delivery;
  /** Those behind it, oldest first; undefined while there never was one. */
  behind: Delivery[] | undefined;
};

/**
 * One at a time and in order for jobs of the same key, and nothing for jobs without one.
 *
 *   key a:  [holder] ← behind ← behind          key b:  [holder]          no key: any time
 *
 * A lane exists only while it has a holder, so that memory follows the messages held and not the keys ever seen. The
 * holder keeps its lane until it is settled, retries included; only then the next one may go on.
 */
export class Lanes {
  readonly #lanes = new Map<string, Lane>();

  /** Lanes that have work. */
  get size(): number {
    return this.#lanes.size;
  }

  /** @returns whether the job may go on; if not, `leave` returns it when its turn has come. */
  enter(delivery: Delivery): boolean {
    const { key } = delivery;
    if (key === undefined) return true;
    const lane = this.#lanes.get(key);
    if (lane === undefined) {
      this.#lanes.set(key, { holder: delivery, behind: undefined });
      return true;
    }
    (lane.behind ??= []).push(delivery);
    return false;
  }

  /** Call it once a job is settled, or given back. Whoever does not hold its lane changes nothing. */
  leave(delivery: Delivery): Delivery | undefined {
    const lane = delivery.key === undefined ? undefined : this.#lanes.get(delivery.key);
    if (lane === undefined || delivery.key === undefined || lane.holder !== delivery) return undefined;
    const next = lane.behind?.shift();
    if (next === undefined) this.#lanes.delete(delivery.key);
    else lane.holder = next;
    return next;
  }

  /** All that wait behind another, each lane in order. */
  *[Symbol.iterator](): Generator<Delivery> {
    for (const { behind } of this.#lanes.values()) if (behind !== undefined) yield* behind;
  }

  /** Forgets all that wait behind another, and returns them. */
  clear(): Delivery[] {
    const behind = [...this];
    for (const lane of this.#lanes.values()) lane.behind = undefined;
    return behind;
  }
}
