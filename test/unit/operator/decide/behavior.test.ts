import { describe, expect, it } from 'vitest';
import type { ScalingPolicy, ScalingRules } from '#crds/worker-pool.ts';
import { lowerLimit, stabilizationWindows, upperLimit } from '../../../../operator/decide/behavior.ts';
import type { ScaleEvent } from '../../../../operator/decide/memory.ts';
import { spec } from '../../../builders/spec.ts';

const nowMs = 1_000_000;
const pods = (value: number, periodSeconds: number): ScalingPolicy => ({
  type: 'Pods',
  value,
  periodSeconds,
});
const percent = (value: number, periodSeconds: number): ScalingPolicy => ({
  type: 'Percent',
  value,
  periodSeconds,
});
const rules = (
  policies: ScalingPolicy[] | undefined,
  selectPolicy: ScalingRules['selectPolicy'] = 'Max',
): ScalingRules => (policies === undefined ? { selectPolicy } : { selectPolicy, policies });
/** Events as [change, seconds ago]. */
const events = (...list: (readonly [number, number])[]): ScaleEvent[] =>
  list.map(([change, secondsAgo]) => ({ change, atMs: nowMs - secondsAgo * 1_000 }));

describe('the upper limit has the reference values of HorizontalPodAutoscaler', () => {
  it.each([
    { title: 'percent rounds up', current: 3, policies: [percent(1, 60)], limit: 4 },
    {
      title: 'the policy that allows more counts',
      current: 10,
      policies: [pods(100, 60), percent(100, 60)],
      limit: 110,
    },
    { title: 'a number of pods', current: 10, policies: [pods(30, 60)], limit: 40 },
    {
      title: 'Min takes the policy that allows less',
      current: 1,
      policies: [pods(2, 60), percent(50, 60)],
      select: 'Min' as const,
      limit: 2,
    },
    {
      title: 'what was added within the period is used up, but nothing is taken back',
      current: 100,
      policies: [pods(5, 120)],
      past: events([1, 100], [5, 60], [9, 30]),
      limit: 100,
    },
    {
      title: 'what was added before the period does not count',
      current: 100,
      policies: [pods(5, 120)],
      past: events([9, 121]),
      limit: 105,
    },
    {
      title: 'what was removed within the period may be added again',
      current: 90,
      policies: [pods(5, 60)],
      past: events([-10, 30]),
      limit: 105,
    },
    {
      title: 'Disabled forbids growth',
      current: 7,
      policies: [pods(5, 60)],
      select: 'Disabled' as const,
      limit: 7,
    },
  ])('$title', ({ current, policies, select, past, limit }) => {
    expect(upperLimit(rules(policies, select), current, past ?? [], nowMs)).toBe(limit);
  });

  it.each([
    { title: 'is free below 20', current: 1, past: [], limit: 20 },
    { title: 'doubles from there', current: 20, past: [], limit: 40 },
    { title: 'doubles once in 5 s', current: 40, past: events([20, 4]), limit: 40 },
    { title: 'doubles again after 5 s', current: 40, past: events([20, 5]), limit: 80 },
  ])('without policies growth $title', ({ current, past, limit }) => {
    expect(upperLimit(rules(undefined), current, past, nowMs)).toBe(limit);
  });
});

describe('the lower limit has the reference values of HorizontalPodAutoscaler', () => {
  it.each([
    {
      title: 'the policy that allows more counts',
      current: 100,
      policies: [pods(20, 60), percent(1, 60)],
      limit: 80,
    },
    { title: 'all may go', current: 10, policies: [percent(100, 60)], limit: 0 },
    { title: 'percent rounds down', current: 5, policies: [percent(50, 60)], limit: 2 },
    {
      title: 'what was removed within the period is used up, but nothing is added',
      current: 10,
      policies: [pods(5, 60)],
      past: events([-4, 30], [-3, 10]),
      limit: 10,
    },
    {
      title: 'what was added within the period may go again',
      current: 20,
      policies: [pods(5, 60)],
      past: events([10, 30]),
      limit: 5,
    },
    {
      title: 'Disabled forbids it',
      current: 7,
      policies: [pods(5, 60)],
      select: 'Disabled' as const,
      limit: 7,
    },
  ])('$title', ({ current, policies, select, past, limit }) => {
    expect(lowerLimit(rules(policies, select), current, past ?? [], nowMs)).toBe(limit);
  });

  it('without policies three quarters may go in 5 s, and the last ones too', () => {
    const limits = [12, 3, 1].map((current) => lowerLimit(rules(undefined), current, [], nowMs));
    expect(limits).toEqual([3, 0, 0]);
  });
});

describe('the stabilization windows', () => {
  it.each([
    {
      title: 'of replicas that start at once',
      startMs: 100,
      behavior: {},
      windows: { upMs: 0, downMs: 2_000 },
    },
    {
      title: 'of replicas that start slowly',
      startMs: 60_000,
      behavior: {},
      windows: { upMs: 0, downMs: 15_000 },
    },
    {
      title: 'that the policy sets',
      startMs: 60_000,
      behavior: { scaleUp: { stabilizationWindowSeconds: 3 }, scaleDown: { stabilizationWindowSeconds: 0 } },
      windows: { upMs: 3_000, downMs: 0 },
    },
  ])('$title', ({ startMs, behavior, windows }) => {
    expect(stabilizationWindows(spec({ behavior }).behavior, startMs)).toEqual(windows);
  });
});
