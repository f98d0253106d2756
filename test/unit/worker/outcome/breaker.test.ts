import { describe, expect, test } from 'vitest';
import { Breaker } from '../../../../worker/outcome/breaker.ts';
import type { BreakerPolicy } from '../../../../worker/outcome/breaker.ts';
import { Counters } from '../../../../worker/report/counters.ts';

const policy: BreakerPolicy = {
  failureRatio: 0.5,
  slowMs: 100,
  slowRatio: 0.5,
  minJobs: 10,
  windowMs: 1_000,
  openMs: 5_000,
  probes: 3,
};

function rig(overrides: Partial<BreakerPolicy> = {}) {
  const counters = new Counters();
  const states: string[] = [];
  const breaker = new Breaker({ ...policy, ...overrides }, counters, (state) => states.push(state));
  breaker.look(0);
  const results = (atMs: number, more: { succeeded?: number; failed?: number; slow?: number }): string => {
    counters.succeeded += more.succeeded ?? 0;
    counters.failed += more.failed ?? 0;
    counters.slow += more.slow ?? 0;
    breaker.look(atMs);
    return breaker.state;
  };
  return { breaker, counters, states, results };
}

describe('a closed breaker', () => {
  const cases: Record<string, { results: object; state: string }> = {
    'stays closed while all is well': { results: { succeeded: 100 }, state: 'closed' },
    'stays closed below the share': { results: { succeeded: 51, failed: 49 }, state: 'closed' },
    'opens at the share': { results: { succeeded: 50, failed: 50 }, state: 'open' },
    'needs enough results': { results: { failed: 9 }, state: 'closed' },
    'opens when enough have failed': { results: { failed: 10 }, state: 'open' },
    'opens when the successes are slow': { results: { succeeded: 10, slow: 5 }, state: 'open' },
    'stays closed when few are slow': { results: { succeeded: 10, slow: 4 }, state: 'closed' },
  };
  test.each(Object.entries(cases))('%s', (_, { results, state }) => {
    expect(rig().results(100, results)).toBe(state);
  });

  test('forgets failures that are older than its window', () => {
    const { results } = rig();
    expect(results(100, { failed: 9 })).toBe('closed');
    for (let atMs = 200; atMs <= 1_200; atMs += 100) results(atMs, {});
    expect(results(1_300, { failed: 9 })).toBe('closed');
  });

  test('without a slow limit never opens for slowness', () => {
    expect(rig({ slowMs: Infinity }).results(100, { succeeded: 10 })).toBe('closed');
  });
});

describe('an open breaker', () => {
  function opened() {
    const all = rig();
    all.results(100, { failed: 10 });
    return all;
  }

  test('probes when its time is over, and closes once the probes have succeeded', () => {
    const { results, states, counters } = opened();
    expect(results(5_099, {})).toBe('open');
    expect(results(5_100, {})).toBe('half-open');
    expect(results(5_200, { succeeded: 2 })).toBe('half-open');
    expect(results(5_300, { succeeded: 1 })).toBe('closed');
    expect(states).toEqual(['open', 'half-open', 'closed']);
    expect(counters.breakerOpenings).toBe(1);
  });

  test('opens again at the first probe that fails, for as long', () => {
    const { results, counters } = opened();
    results(5_100, {});
    expect(results(5_200, { succeeded: 1, failed: 1 })).toBe('open');
    expect(results(10_199, {})).toBe('open');
    expect(results(10_200, {})).toBe('half-open');
    expect(counters.breakerOpenings).toBe(2);
  });

  test('opens again when the probes are slow', () => {
    const { results } = opened();
    results(5_100, {});
    expect(results(5_200, { succeeded: 3, slow: 2 })).toBe('open');
  });

  test('starts with a clean slate after it closed', () => {
    const { results } = opened();
    results(5_100, {});
    results(5_200, { succeeded: 3 });
    expect(results(5_300, { failed: 9 })).toBe('closed');
  });
});
