import { describe, expect, it } from 'vitest';
import { spec } from '../builders/spec.ts';

import { seededRandom } from '../../operator/simulate/random.ts';
import { tell } from './run.ts';
import type { Story, Told } from './run.ts';

const model = (seed: number, more: Partial<Story['model']> = {}): Story['model'] => ({
  random: seededRandom(seed),
  serviceMs: 500,
  slots: 2,
  startMs: 2_000,
  hasHeartbeats: true,
  ...more,
});

/** Promises that hold in every story: within bounds, and never without replicas while there is work. */
function expectPromises({ replicas, backlog }: Told, { spec: policy }: Pick<Story, 'spec'>): void {
  expect(Math.max(...replicas)).toBeLessThanOrEqual(policy.maxReplicas);
  expect(Math.min(...replicas)).toBeGreaterThanOrEqual(policy.minReplicas);
  const stranded = replicas.filter((count, index) => count === 0 && (backlog[index] ?? 0) > 0);
  expect(stranded).toEqual([]);
}

describe.each([
  { title: 'with heartbeats', hasHeartbeats: true },
  { title: 'without heartbeats', hasHeartbeats: false },
])('$title', ({ hasHeartbeats }) => {
  it('a burst wakes the pool, is worked off, and the pool goes back to zero', () => {
    const story: Story = {
      spec: spec({
        maxReplicas: 12,
        objective: { drainSeconds: 30 },
        prior: { concurrency: 2, serviceMilliseconds: 500 },
      }),
      model: model(1, { hasHeartbeats }),
      seconds: 180,
      arrivals: (second) => (second >= 10 && second < 40 ? 25 : 0),
    };
    const told = tell(story);
    expectPromises(told, story);
    expect(told.decisions[10]).toMatchObject({ kind: 'scale', from: 0, reason: 'WokeFromZero' });
    expect(Math.max(...told.replicas)).toBeGreaterThanOrEqual(6);
    expect(told.model.completed).toBe(750);
    expect(told.replicas.at(-1)).toBe(0);
    expect(told.reversals).toBeLessThanOrEqual(1);
  });

  it('a wrong assumption about the jobs is corrected by what is seen', () => {
    const story: Story = {
      spec: spec({ prior: { concurrency: 1, serviceMilliseconds: 10_000 } }),
      model: model(2, { hasHeartbeats }),
      seconds: 300,
      arrivals: () => 12,
    };
    const told = tell(story);
    expectPromises(told, story);
    const settled = told.replicas.slice(-60);
    // 12/s at 4/s each are 3 replicas in full, about 4 at 80 %.
    expect(Math.min(...settled)).toBeGreaterThanOrEqual(3);
    expect(Math.max(...settled)).toBeLessThanOrEqual(hasHeartbeats ? 7 : 14);
  });

  it.each([1, 2, 3])('steady random arrivals are carried with few changes (seed %i)', (seed) => {
    const options = model(seed, { hasHeartbeats, serviceMs: 1_000, slots: 1 });
    const story: Story = {
      spec: spec({ prior: { concurrency: 1, serviceMilliseconds: 1_000 } }),
      model: options,
      seconds: 600,
      arrivals: () => options.random.poisson(5),
    };
    const told = tell(story);
    expectPromises(told, story);
    expect(told.waitP95Seconds).toBeLessThan(3);
    expect(told.cost).toBeLessThan(3);
    expect(told.reversals).toBeLessThanOrEqual(20);
  });

  it('a backlog is worked off within about the objective', () => {
    const story: Story = {
      spec: spec({
        maxReplicas: 30,
        objective: { drainSeconds: 60 },
        prior: { concurrency: 2, serviceMilliseconds: 500 },
      }),
      model: model(4, { hasHeartbeats }),
      seconds: 240,
      arrivals: (second) => (second === 5 ? 2_000 : 0),
    };
    const told = tell(story);
    expectPromises(told, story);
    const drained = told.backlog.findIndex((messages, second) => second > 5 && messages === 0);
    expect(drained).toBeGreaterThan(0);
    expect(drained - 5).toBeLessThanOrEqual(80);
    expect(told.replicas.at(-1)).toBe(0);
  });

  it('jobs that get three times heavier get more replicas, and only once', () => {
    const story: Story = {
      spec: spec({ prior: { concurrency: 2, serviceMilliseconds: 500 } }),
      model: model(5, { hasHeartbeats, serviceMs: (atMs) => (atMs < 300_000 ? 500 : 1_500) }),
      seconds: 900,
      arrivals: () => 12,
    };
    const told = tell(story);
    expectPromises(told, story);
    const before = told.replicas[290] ?? 0;
    const after = told.replicas.at(-1) ?? 0;
    expect(after).toBeGreaterThanOrEqual(before * 2);
    expect(told.backlog.at(-1)).toBeLessThan(100);
  });
});
