import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../operator/simulate/random.ts';
import { spec } from '../builders/spec.ts';
import { tell } from './run.ts';
import type { Story, Told } from './run.ts';

const seeds = Array.from({ length: 5 }, (_, index) => index + 1);
const within = (atMs: number, from: number, to: number): boolean => atMs >= from * 1_000 && atMs < to * 1_000;

/** 12 jobs/s of half a second for replicas of two slots: about five are right. */
function story(seed: number, model: Partial<Story['model']>, more: Partial<Story> = {}): Story {
  const arrivals = seededRandom(seed + 100_000);
  return {
    spec: spec({ maxReplicas: 40, prior: { concurrency: 2, serviceMilliseconds: 500 } }),
    model: {
      random: seededRandom(seed),
      serviceMs: 500,
      slots: 2,
      startMs: 2_000,
      hasHeartbeats: true,
      ...model,
    },
    seconds: 420,
    arrivals: () => arrivals.poisson(12),
    ...more,
  };
}

/** Seconds in which a condition was reported. */
const seconds = ({ decisions }: Told, condition: string): number[] =>
  decisions.flatMap(({ diagnosis }, second) =>
    diagnosis.some(({ type }) => type === condition) ? [second] : [],
  );
const others = [
  'DownstreamSaturated',
  'WorkersIdle',
  'AckWaitTooShort',
  'PoisonMessages',
  'AckPendingLimited',
];

describe('attempts that fail, two of three, for two minutes', () => {
  const storm = (atMs: number): number => (within(atMs, 120, 240) ? 0.67 : 0);

  it.each(seeds)('are named as the cause, and no longer than they last (seed %i)', (seed) => {
    const told = tell(story(seed, { failShare: storm }));
    const reported = seconds(told, 'RetryAmplified');
    expect(reported.length).toBeGreaterThan(60);
    expect(reported[0]).toBeGreaterThan(120);
    expect(reported.at(-1)).toBeLessThan(360);
    for (const other of others.slice(1)) expect(seconds(told, other)).toEqual([]);
    expect(told.backlog.at(-1)).toBeLessThan(60);
  });

  it('get fewer replicas than without the guard, and all jobs are done', () => {
    const peak = (mode: 'Enforce' | 'Disabled'): number => {
      const policy = spec({
        maxReplicas: 40,
        prior: { concurrency: 2, serviceMilliseconds: 500 },
        guards: { retries: mode, downstream: 'Disabled' },
      });
      return Math.max(...tell(story(1, { failShare: storm }, { spec: policy })).replicas.slice(100));
    };
    expect(peak('Enforce')).toBeLessThanOrEqual(peak('Disabled'));
  });

  it.each([
    { title: 'one attempt in ten', failShare: () => 0.1 },
    { title: 'no attempt', failShare: () => 0 },
  ])('are not seen where $title fails', ({ failShare }) => {
    for (const seed of seeds) {
      expect(seconds(tell(story(seed, { failShare })), 'RetryAmplified')).toEqual([]);
    }
  });
});

describe('a consumer that is paused for a minute', () => {
  const isPaused = (atMs: number): boolean => within(atMs, 120, 180);

  it.each(seeds)('gets no replicas for what piles up, and is worked off afterwards (seed %i)', (seed) => {
    const told = tell(story(seed, { isPaused }));
    const reported = seconds(told, 'WorkersIdle');
    expect(reported.length).toBeGreaterThan(50);
    expect(reported[0]).toBeGreaterThanOrEqual(119);
    expect(reported.at(-1)).toBeLessThanOrEqual(182);
    const before = told.replicas[119] ?? 0;
    expect(Math.max(...told.replicas.slice(122, 178))).toBeLessThanOrEqual(before);
    expect(told.decisions[176]?.message).toContain('the consumer is paused');
    expect(told.backlog.at(-1)).toBeLessThan(60);
  });
});

describe('a limit of unacknowledged messages that feeds four replicas', () => {
  const rush = (second: number): number => (second < 300 ? 20 : 4);

  it.each(seeds)('is named as the cause, and no longer than it limits (seed %i)', (seed) => {
    const told = tell(story(seed, { maxAckPending: 8 }, { arrivals: rush, seconds: 600 }));
    const reported = seconds(told, 'AckPendingLimited');
    expect(reported.length).toBeGreaterThan(200);
    expect(reported.at(-1)).toBeLessThan(420);
    for (const other of others.slice(1).filter((type) => type !== 'AckPendingLimited')) {
      expect(seconds(told, other)).toEqual([]);
    }
    // What it took before the limit was in use is given back, and no more is asked for.
    expect(Math.max(...told.replicas.slice(30, 300))).toBeLessThanOrEqual(
      Math.max(...told.replicas.slice(0, 30)),
    );
    expect(told.backlog.at(-1)).toBeLessThan(60);
  });

  it('is not seen where it is wide enough', () => {
    for (const seed of seeds) {
      expect(seconds(tell(story(seed, { maxAckPending: 60 })), 'AckPendingLimited')).toEqual([]);
    }
  });
});

describe('jobs that outlast the ack wait', () => {
  const heavy = { serviceMs: 2_500, ackWaitMs: 3_000 };
  const few = { arrivals: () => 4 };

  it.each(seeds)('are named as the cause, where workers do not extend it (seed %i)', (seed) => {
    const told = tell(story(seed, { ...heavy, extendsAckWait: false }, few));
    expect(seconds(told, 'AckWaitTooShort').length).toBeGreaterThan(300);
    for (const other of others.slice(1).filter((type) => type !== 'AckWaitTooShort')) {
      expect(seconds(told, other)).toEqual([]);
    }
    const { diagnosis } = told.decisions.at(-1) ?? { diagnosis: [] };
    const remedies = diagnosis.find(({ type }) => type === 'AckWaitTooShort')?.remedies ?? [];
    expect(remedies).toHaveLength(1);
    expect(remedies[0]?.to).toBeGreaterThan(6);
  });

  it.each([
    { title: 'extended by the workers', model: heavy },
    { title: 'long enough', model: { ...heavy, ackWaitMs: 30_000, extendsAckWait: false } },
    {
      title: 'longer than each of many failing attempts',
      model: { failShare: () => 0.4, extendsAckWait: false },
    },
  ])('are not seen where it is $title', ({ model }) => {
    for (const seed of seeds) expect(seconds(tell(story(seed, model, few)), 'AckWaitTooShort')).toEqual([]);
  });

  it('are forgotten when they are short again', () => {
    const serviceMs = (atMs: number): number => (atMs < 120_000 ? 2_500 : 100);
    const told = tell(story(1, { ...heavy, serviceMs, extendsAckWait: false }, few));
    const reported = seconds(told, 'AckWaitTooShort');
    expect(reported.length).toBeGreaterThan(60);
    expect(reported.at(-1)).toBeLessThan(360);
  });
});

describe('ordinary load', () => {
  it.each([
    { title: 'steady', more: {} },
    { title: 'a burst', more: { arrivals: (second: number) => (second >= 60 && second < 90 ? 60 : 4) } },
    {
      title: 'long jobs',
      more: { arrivals: (second: number) => (second % 5 === 0 ? 1 : 0) },
      serviceMs: 20_000,
    },
  ])('raises no guard ($title)', ({ more, serviceMs = 500 }) => {
    for (const seed of seeds) {
      const told = tell(story(seed, { serviceMs }, more));
      for (const type of [...others.slice(1), 'RetryAmplified']) expect(seconds(told, type)).toEqual([]);
    }
  });
});
