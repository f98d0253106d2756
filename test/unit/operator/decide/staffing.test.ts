import { describe, expect, it } from 'vitest';
import { erlangC, slotsForWait } from '../../../../operator/decide/staffing.ts';
import { arrivalsBySecond } from '../../../../operator/simulate/load.ts';
import { fixed } from '../../../../operator/simulate/peers.ts';
import { QueueModel } from '../../../../operator/simulate/queueModel.ts';
import { seededRandom } from '../../../../operator/simulate/random.ts';
import { replay } from '../../../../operator/simulate/replay.ts';

/** C(c, a) as textbooks define it, by factorials: independent of the recursion. */
function textbook(slots: number, load: number): number {
  let [term, sum] = [1, 1];
  for (let k = 1; k < slots; k += 1) sum += term *= load / k;
  const last = ((term * load) / slots) * (slots / (slots - load));
  return last / (sum + last);
}

describe('the probability that a job has to wait', () => {
  it.each([
    { slots: 1, load: 0.7, probability: 0.7 }, // M/M/1: the utilization itself
    { slots: 2, load: 1, probability: 1 / 3 }, // M/M/2 at a half: 2ρ²/(1 + ρ)
    { slots: 2, load: 1.8, probability: (2 * 0.9 ** 2) / 1.9 },
    { slots: 3, load: 2, probability: 4 / 9 },
    { slots: 5, load: 4, probability: 0.5541 },
    { slots: 10, load: 8, probability: 0.4092 },
  ])('with $slots slots and load $load is $probability', ({ slots, load, probability }) => {
    expect(erlangC(slots, load)).toBeCloseTo(probability, 4);
  });

  /** As printed by the R package ErlangC 0.1.0 (CRAN, README, table `process` of `calculate_agents`). */
  it.each([
    { slots: 11, load: 10, probability: 0.6821182 },
    { slots: 12, load: 10, probability: 0.4493882 },
    { slots: 13, load: 10, probability: 0.2852705 },
    { slots: 14, load: 10, probability: 0.1741319 },
  ])('is $probability in a table with $slots slots and load $load', ({ slots, load, probability }) => {
    expect(erlangC(slots, load)).toBeCloseTo(probability, 7);
  });

  /**
   * J. Dunlop, D. Girma, J. Irvine, Digital Mobile Communications and the TETRA System, 1999, section A.4, "Erlang C
   * table": the load that a probability allows, to two decimals, as quoted in the example on page 424.
   */
  it.each([
    { slots: 8, probability: 0.05, load: 3.87 },
    { slots: 10, probability: 0.01, load: 4.08 },
  ])(
    'is $probability in a table of loads with $slots slots and load $load',
    ({ slots, probability, load }) => {
      expect(erlangC(slots, load - 0.005)).toBeLessThan(probability);
      expect(erlangC(slots, load + 0.005)).toBeGreaterThan(probability);
    },
  );

  it('gives the mean wait of a table', () => {
    // R. E. Trueman, An Introduction to Quantitative Methods for Decision Making, 1977, table 12.2, page 512 (quoted in
    // the HP 12C Solutions Handbook, page 144): 3 servers at 80 % wait 1.079 mean service times. That is C / (c − a).
    expect(erlangC(3, 2.4) / (3 - 2.4)).toBeCloseTo(1.079, 3);
  });

  it('agrees with the textbook formula wherever that can be computed', () => {
    for (const slots of [1, 2, 5, 17, 60, 120]) {
      for (const share of [0.1, 0.5, 0.9, 0.99]) {
        expect(erlangC(slots, slots * share)).toBeCloseTo(textbook(slots, slots * share), 9);
      }
    }
  });
});

describe('slots for a wait', () => {
  const minute = { serviceSeconds: 60, variability: 1, waitSeconds: 20, lateShare: 0.2 };

  it.each([
    { title: 'nothing for no arrivals', given: { ...minute, arrivalsPerSecond: 0 }, slots: 0 },
    // P(W > 20 s) with load 10: 12 slots 0.2306, 13 slots 0.1049.
    { title: 'the smallest number that suffices', given: { ...minute, arrivalsPerSecond: 1 / 6 }, slots: 13 },
    {
      title: 'fewer for constant run times',
      given: { ...minute, arrivalsPerSecond: 1 / 6, variability: 0, lateShare: 0.17 },
      slots: 12,
    },
  ])('are $title', ({ given, slots }) => {
    expect(slotsForWait(given)).toBe(slots);
    if (slots > 0) expect(lateShare(slots, given)).toBeLessThanOrEqual(given.lateShare);
    if (slots > 0) expect(lateShare(slots - 1, given)).toBeGreaterThan(given.lateShare);
  });

  function lateShare(slots: number, given: Parameters<typeof slotsForWait>[0]): number {
    const load = given.arrivalsPerSecond * given.serviceSeconds;
    const scale = (1 + given.variability) / 2;
    return (
      textbook(slots, load) * Math.exp((-(slots - load) / given.serviceSeconds / scale) * given.waitSeconds)
    );
  }

  it('go on without a jump where the load is too large for the sum', () => {
    const of = (load: number): number =>
      slotsForWait({
        arrivalsPerSecond: load,
        serviceSeconds: 1,
        variability: 1,
        waitSeconds: 1,
        lateShare: 0.05,
      });
    expect(of(10_001)).toBeGreaterThanOrEqual(of(9_999));
    expect(of(10_001) / of(9_999)).toBeLessThan(1.04);
  });

  it('keep the bound in a simulated queue, and one fewer does not', () => {
    const given = {
      arrivalsPerSecond: 4,
      serviceSeconds: 2,
      variability: 1,
      waitSeconds: 1,
      lateShare: 0.05,
    };
    const slots = slotsForWait(given);
    const late = (replicas: number): number => {
      const model = new QueueModel({
        random: seededRandom(1),
        serviceMs: (random) => random.exponential(2_000),
        slots: 1,
        startMs: 0,
        hasHeartbeats: false,
      });
      const random = seededRandom(2);
      const arrivals = arrivalsBySecond(() => random.poisson(4), random);
      replay(model, fixed(replicas), { arrivals, seconds: 50_000 });
      const waits = model.waitsMs.slice(1_000);
      return waits.filter((ms) => ms > 1_000).length / waits.length;
    };
    expect(late(slots)).toBeLessThan(0.055);
    expect(late(slots - 1)).toBeGreaterThan(0.05);
  });
});
