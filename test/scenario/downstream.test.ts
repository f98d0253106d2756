import { describe, expect, it, vi } from 'vitest';
import { spec } from '../builders/spec.ts';
import { seededRandom } from '../../operator/simulate/random.ts';
import type { Random } from '../../operator/simulate/random.ts';
import { tell } from './run.ts';
import type { Story, Told } from './run.ts';

/** Rates are known to half a percent in CI; PENSTOCK_TEST_SEEDS sets another precision. */
const seeds = Array.from(
  { length: Number(process.env['PENSTOCK_TEST_SEEDS'] ?? (process.env['CI'] === undefined ? 10 : 200)) },
  (_, index) => index + 1,
);
vi.setConfig({ testTimeout: 300_000 });

type Setting = {
  readonly rate: (second: number) => number;
  readonly dependencyPerSecond?: (atMs: number) => number;
  readonly serviceMs?: (atMs: number) => number;
  /** Squared coefficient of variation of the run times. */
  readonly variability?: number;
  readonly hasHeartbeats?: boolean;
  readonly seconds: number;
  readonly policy?: Parameters<typeof spec>[0];
};

/** Jobs of 1 s in replicas of one slot that take 2 s to start. */
function story(seed: number, setting: Setting): Story {
  const random = seededRandom(seed);
  const arrivals = seededRandom(seed + 100_000);
  return {
    spec: spec({ maxReplicas: 100, ...setting.policy }),
    model: {
      random: setting.variability === undefined ? random : heavyTailed(random, setting.variability),
      serviceMs: setting.serviceMs ?? 1_000,
      slots: 1,
      startMs: 2_000,
      hasHeartbeats: setting.hasHeartbeats ?? true,
      ...(setting.dependencyPerSecond === undefined
        ? {}
        : { dependencyPerSecond: setting.dependencyPerSecond }),
    },
    seconds: setting.seconds,
    arrivals: (second) => arrivals.poisson(setting.rate(second)),
  };
}

/** A mix of two exponential distributions with balanced means, and the given squared coefficient of variation; 0 is constant. */
function heavyTailed(random: Random, variability: number): Random {
  if (variability === 0) return { ...random, exponential: (mean) => mean };
  const share = (1 + Math.sqrt((variability - 1) / (variability + 1))) / 2;
  return {
    ...random,
    exponential: (mean) =>
      random.uniform() < share
        ? random.exponential(mean / (2 * share))
        : random.exponential(mean / (2 * (1 - share))),
  };
}

/** The second of the first verdict. */
const verdictAt = ({ decisions }: Told): number | undefined => {
  const second = decisions.findIndex(({ diagnosis }) =>
    diagnosis.some(({ type, status }) => type === 'DownstreamSaturated' && status === 'True'),
  );
  return second === -1 ? undefined : second;
};

const verdicts = (setting: Setting): (number | undefined)[] =>
  seeds.map((seed) => verdictAt(tell(story(seed, setting))));
const shareFound = (found: readonly (number | undefined)[]): number =>
  found.filter((second) => second !== undefined).length / found.length;
const at = (second: number, values: readonly number[]): number => values[second] ?? Number.NaN;

const capped: Setting = { rate: () => 30, dependencyPerSecond: () => 20, seconds: 400 };

describe('a dependency that lets through 20 jobs/s', () => {
  it.each([
    { title: 'with heartbeats', hasHeartbeats: true, within: 180 },
    { title: 'without heartbeats', hasHeartbeats: false, within: 240 },
  ])('is found within $within s of the first job, $title', ({ hasHeartbeats, within }) => {
    const found = verdicts({ ...capped, hasHeartbeats, seconds: within });
    expect(shareFound(found)).toBeGreaterThanOrEqual(0.95);
  });

  it('is named within 75 s of the first job in most cases, with heartbeats', () => {
    const found = verdicts({ ...capped, seconds: 120 }).map((second) => second ?? Infinity);
    expect(found.toSorted((a, b) => a - b)[Math.floor(found.length / 2)]).toBeLessThan(75);
  });

  it('is found when the arrivals grow into it', () => {
    const ramp = { ...capped, rate: (second: number) => 5 + second / 20, seconds: 500 };
    const found = verdicts(ramp);
    expect(shareFound(found)).toBeGreaterThanOrEqual(0.95);
    expect(found.every((second) => second === undefined || second > 300)).toBe(true);
  });

  it('gets about as many replicas as it can use, at the same throughput for a fraction of the cost', () => {
    const guarded = tell(story(1, capped));
    const free = tell(story(1, { ...capped, policy: { guards: { downstream: 'Disabled' } } }));
    const held = at(-1 + capped.seconds, guarded.replicas);
    expect(held).toBeGreaterThanOrEqual(20);
    expect(held).toBeLessThanOrEqual(32);
    expect(guarded.model.replicaMs).toBeLessThan(0.6 * free.model.replicaMs);
    expect(guarded.model.completed).toBeGreaterThan(0.95 * free.model.completed);
    const { diagnosis } = guarded.decisions.at(-1) ?? { diagnosis: [] };
    expect(diagnosis.find(({ type }) => type === 'DownstreamSaturated')?.message).toMatch(
      /lets through (19|20|21) jobs\/s, for which (19|20|21|22|23|24) replicas would do/,
    );
  });

  it('is tested again when the verdict expires, and held longer', () => {
    const told = tell(story(2, { ...capped, seconds: 1_100 }));
    const tests = told.decisions.filter(({ message }) => message.includes('can complete more')).length;
    expect(tests).toBeGreaterThan(0);
    expect(tests).toBeLessThan(120);
    expect(at(1_099, told.replicas)).toBeLessThanOrEqual(45);
  });

  it('lets go within two minutes when the limit has gone', () => {
    for (const seed of seeds.slice(0, 5)) {
      const gone = (atMs: number): number => (atMs < 300_000 ? 20 : 1e9);
      const told = tell(story(seed, { ...capped, dependencyPerSecond: gone, seconds: 420 }));
      expect(Math.max(...told.replicas.slice(300))).toBeGreaterThan(at(299, told.replicas) + 10);
    }
  });

  it('is only reported in mode Observe, and nothing is tried', () => {
    const told = tell(story(3, { ...capped, policy: { guards: { downstream: 'Observe' } }, seconds: 200 }));
    const reasons = new Set(told.decisions.map(({ reason }) => reason));
    expect(reasons).not.toContain('DownstreamTest');
    expect(told.replicas.at(-1)).toBe(100);
  });

  it('does not keep a pool from zero once nothing arrives', () => {
    const ends = { ...capped, rate: (second: number) => (second < 100 ? 30 : 0), seconds: 400 };
    const told = tell(story(4, ends));
    expect(told.model.completed).toBe(told.model.arrived);
    expect(told.replicas.at(-1)).toBe(0);
  });
});

describe('what only looks like a dependency at its limit gets no verdict', () => {
  it.each<{ title: string; setting: Setting }>([
    {
      title: 'arrivals that grow',
      setting: { rate: (second) => 5 + 55 * Math.min(1, second / 400), seconds: 600 },
    },
    {
      title: 'arrivals in steps, with run times of very different length',
      setting: {
        rate: (second) => [10, 40, 10, 60][Math.floor(second / 150) % 4] ?? 0,
        variability: 25,
        seconds: 600,
      },
    },
    {
      title: 'jobs that are three times heavier from one moment on',
      setting: { rate: () => 20, serviceMs: (atMs) => (atMs < 200_000 ? 1_000 : 3_000), seconds: 600 },
    },
    {
      title: 'bursts of constant run times, each beginning at few replicas',
      setting: { rate: (second) => (second % 300 < 40 ? 20 : 0), variability: 0, seconds: 900 },
    },
    {
      title: 'a maximum that is too small',
      setting: { rate: () => 30, seconds: 600, policy: { maxReplicas: 20 } },
    },
  ])('$title', ({ setting }) => {
    expect(shareFound(verdicts(setting))).toBeLessThanOrEqual(0.01);
  });
});
