import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AdaptiveLimit } from '../../../../worker/consume/adaptive.ts';
import type { Reading } from '../../../../worker/consume/adaptive.ts';

/** Reproducible noise: mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * A worker with endless work and a dependency that serves `cap` calls at once and queues the others; run times are
 * exponential. Time goes on in seconds.
 */
class World {
  readonly limit: AdaptiveLimit;
  readonly #random: () => number;
  cap = 10;
  serviceMs = 50;
  /** Slots that have work. */
  wanted = Infinity;
  #reading: Reading = { nowMs: 0, jobs: 0, serviceMs: 0, timedOut: 0, busyMs: 0 };

  constructor(limit: AdaptiveLimit, seed = 1) {
    this.limit = limit;
    this.#random = randomFrom(seed);
    limit.look(this.#reading);
  }

  /** The mean of the slots over the time. */
  run(seconds: number): number {
    let sum = 0;
    for (let second = 0; second < seconds; second += 1) {
      sum += this.limit.slots;
      this.#second();
      this.limit.look(this.#reading);
    }
    return sum / seconds;
  }

  timeOut(): void {
    this.#reading = { ...this.#reading, timedOut: this.#reading.timedOut + 1 };
  }

  #second(): void {
    const running = Math.min(this.limit.slots, this.wanted);
    const meanMs = this.serviceMs * Math.max(1, running / this.cap);
    const jobs = Math.round((running * 1_000) / meanMs);
    let serviceMs = 0;
    for (let job = 0; job < jobs; job += 1) serviceMs += -meanMs * Math.log(1 - this.#random());
    const { nowMs, timedOut, ...before } = this.#reading;
    this.#reading = {
      nowMs: nowMs + 1_000,
      jobs: before.jobs + jobs,
      serviceMs: before.serviceMs + serviceMs,
      timedOut,
      busyMs: before.busyMs + running * 1_000,
    };
  }
}

const policy = { floor: 2, ceiling: 200 };

describe('the adaptive limit', () => {
  test.each([5, 10, 40, 100])(
    'finds the knee of a dependency that serves %i at once, and stays there',
    (cap) => {
      const world = new World(new AdaptiveLimit(policy), cap);
      world.cap = cap;
      world.run(100);
      const mean = world.run(300);
      // Below the knee, throughput is lost; twice above it, only waiting is gained.
      expect(mean).toBeGreaterThanOrEqual(cap);
      expect(mean).toBeLessThan(2.2 * cap);
    },
  );

  test('follows when the dependency shrinks and grows', () => {
    const world = new World(new AdaptiveLimit(policy));
    world.cap = 40;
    world.run(200);
    world.cap = 8;
    world.run(100);
    const shrunk = world.run(100);
    expect(shrunk).toBeGreaterThanOrEqual(8);
    expect(shrunk).toBeLessThan(24);
    world.cap = 40;
    world.run(200);
    expect(world.run(100)).toBeGreaterThanOrEqual(36);
  });

  test('does not take slower jobs for a queue for long', () => {
    const world = new World(new AdaptiveLimit({ floor: 2, ceiling: 50 }));
    world.cap = 1_000;
    world.run(100);
    expect(world.limit.slots).toBeGreaterThan(40);
    world.serviceMs = 200;
    world.run(300);
    expect(world.run(50)).toBeGreaterThan(30);
  });

  test('learns nothing from slots that have no work', () => {
    const world = new World(new AdaptiveLimit(policy));
    world.wanted = 1;
    world.run(300);
    expect(world.limit.slots).toBe(2);
  });

  test('shrinks when jobs pass their time limit', () => {
    const world = new World(new AdaptiveLimit(policy));
    world.cap = 1_000;
    world.run(30);
    const before = world.limit.slots;
    world.timeOut();
    world.run(1);
    expect(world.limit.slots).toBeLessThan(before);
  });

  test('stays from floor to ceiling and whole, whatever is read', () => {
    const steps = fc.record({
      ms: fc.nat(5_000),
      jobs: fc.nat(500),
      meanMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
      timedOut: fc.nat(2),
      busy: fc.double({ min: 0, max: 2, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 200 }), (all) => {
        const limit = new AdaptiveLimit({ floor: 3, ceiling: 17 });
        let reading: Reading = { nowMs: 0, jobs: 0, serviceMs: 0, timedOut: 0, busyMs: 0 };
        for (const { ms, jobs, meanMs, timedOut, busy } of all) {
          reading = {
            nowMs: reading.nowMs + ms,
            jobs: reading.jobs + jobs,
            serviceMs: reading.serviceMs + jobs * meanMs,
            timedOut: reading.timedOut + timedOut,
            busyMs: reading.busyMs + busy * ms * limit.slots,
          };
          limit.look(reading);
          expect(Number.isInteger(limit.slots)).toBe(true);
          expect(limit.slots).toBeGreaterThanOrEqual(3);
          expect(limit.slots).toBeLessThanOrEqual(17);
        }
      }),
    );
  });
});
