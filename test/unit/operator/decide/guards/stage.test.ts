import { describe, expect, it } from 'vitest';
import { decide } from '../../../../../operator/decide/decide.ts';
import type { Stage } from '../../../../../operator/decide/stage.ts';
import { Stages } from '../../../../../operator/reconcile/stages.ts';
import { recordScale } from '../../../../../operator/decide/memory.ts';
import type { Memory } from '../../../../../operator/decide/memory.ts';
import { known, unknown } from '../../../../../operator/measure/signals.ts';
import type { Signals, SourceSignals } from '../../../../../operator/measure/signals.ts';
import { atOnce, decideFor, load, nowMs, pool, settled } from '../../../../builders/decisions.ts';
import { workloadSignals } from '../../../../builders/signals.ts';
import { specAt80 } from '../../../../builders/spec.ts';

const blocked: Stage = {
  pool: 'media/encode',
  stuck: { reason: 'DownstreamSaturated', root: 'media/encode' },
  atMs: nowMs - 1_000,
};
const busy = load({ arrivals: 8, queued: 100, running: 5 });

function decideWith(
  stage: Stage,
  {
    current = 5,
    mode = 'Enforce' as const,
    minReplicas = 0,
  }: { current?: number; mode?: 'Enforce' | 'Observe'; minReplicas?: number } = {},
): ReturnType<typeof decide>['decision'] {
  const given = pool(current, busy);
  const policy = specAt80({ behavior: atOnce, feeds: ['encode'], guards: { stage: mode }, minReplicas });
  return decide({ spec: policy, signals: given, memory: settled(given), nowMs, stages: [stage] }).decision;
}

describe('a pool that feeds one which cannot take more', () => {
  it('is not grown, and names the stage and its cause', () => {
    const { kind, from, reason, message } = decideWith(blocked);
    expect({ kind, from, reason }).toEqual({ kind: 'hold', from: 5, reason: 'StageBlocked' });
    expect(message).toContain(
      'pool media/encode, which this one feeds, cannot take more (DownstreamSaturated)',
    );
  });

  it('is told where it began, if that is further on', () => {
    const { message } = decideWith({ ...blocked, stuck: { reason: 'StageBlocked', root: 'media/upload' } });
    expect(message).toContain('(StageBlocked), which is held up by media/upload');
  });

  it.each<{ title: string; stage?: Stage; options?: Parameters<typeof decideWith>[1]; to: number }>([
    { title: 'the stage is well', stage: { ...blocked, stuck: undefined }, to: 12 },
    { title: 'the stage has not been looked at lately', stage: { ...blocked, atMs: nowMs - 20_000 }, to: 12 },
    { title: 'the guard only observes', options: { mode: 'Observe' }, to: 12 },
    { title: 'there are no replicas yet', options: { current: 0 }, to: 12 },
    { title: 'the minimum is higher', options: { minReplicas: 7 }, to: 7 },
  ])('grows to $to when $title', ({ stage = blocked, options, to }) => {
    expect(decideWith(stage, options).to).toBe(to);
  });
});

describe('pools that feed each other', () => {
  const policy = specAt80({ maxReplicas: 5, feeds: ['next'] });
  /** More arrives than five replicas complete, and more waits than they complete within the objective. */
  const overrun = { ...load({ arrivals: 9, queued: 900 }), ...completing(5) };
  const stuck = decideFor(pool(5, overrun), policy).decision;
  const held = { ...stuck, stuck: 'StageBlocked' };
  const entry = (key: string, ...feeds: string[]): { key: string; spec: typeof policy } => ({
    key,
    spec: { ...policy, feeds },
  });
  const [a, b, c] = [entry('x/a', 'b'), entry('x/b', 'c'), entry('x/c', 'a')];

  it('pass on where a blockage began', () => {
    const stages = new Stages();
    stages.note(c, stuck, [], nowMs);
    stages.note(b, held, stages.fedBy(b), nowMs);
    expect(stages.fedBy(a)).toEqual([
      { pool: 'x/b', stuck: { reason: 'StageBlocked', root: 'x/c' }, atMs: nowMs },
    ]);
  });

  it('never wait for themselves in a circle', () => {
    const stages = new Stages();
    stages.note(c, stuck, [], nowMs);
    stages.note(b, held, stages.fedBy(b), nowMs);
    stages.note(a, held, stages.fedBy(a), nowMs);
    expect(stages.fedBy(c)).toEqual([]);
    expect(stages.fedBy(entry('x/d', 'd'))).toEqual([]);
  });

  it('are forgotten when they are gone, and are not looked for in other namespaces', () => {
    const stages = new Stages();
    stages.note(c, stuck, [], nowMs);
    expect(stages.fedBy(entry('y/b', 'c'))).toEqual([]);
    stages.keepOnly(new Map());
    expect(stages.fedBy(b)).toEqual([]);
  });
});

describe('a pool at its maximum', () => {
  const overrun = { ...load({ arrivals: 9, queued: 900 }), ...completing(5) };
  const ready = pool(5, overrun);
  const policy = specAt80({ maxReplicas: 5 });

  /** It grew to its maximum so many seconds ago. */
  function grown(secondsAgo: number): Memory {
    return recordScale(settled(ready), { from: 1, to: 5, atMs: nowMs - secondsAgo * 1_000 });
  }

  const starting = { ...ready, workload: workloadSignals({ desired: 5, ready: 1, starting: 4 }) };
  const carried = { ...load({ arrivals: 4, queued: 200 }), ...completing(1) };

  it.each<{ title: string; given: Signals; memory?: Memory; stuck: string | undefined }>([
    {
      title: 'is stuck where a backlog beyond the objective grows',
      given: ready,
      stuck: 'IntakeExceedsCapacity',
    },
    {
      title: 'is stuck where such a backlog stays',
      given: pool(5, { ...load({ arrivals: 5, queued: 900 }), ...completing(5) }),
      stuck: 'MaxReplicas',
    },
    {
      title: 'is not where it shrinks',
      given: pool(5, { ...load({ arrivals: 3, queued: 900 }), ...completing(5) }),
      stuck: undefined,
    },
    {
      title: 'is not where it is within the objective',
      given: pool(5, { ...load({ arrivals: 9, queued: 100 }), ...completing(5) }),
      stuck: undefined,
    },
    {
      title: 'is not where nobody knows how much is completed',
      given: pool(5, { ...overrun, completionsPerSecond: unknown('one sample') }),
      stuck: undefined,
    },
    {
      title: 'is not where a burst is over that the last half minute still has',
      given: pool(5, { ...overrun, arrivalsBriefPerSecond: known(1, nowMs) }),
      stuck: undefined,
    },
    {
      title: 'is stuck where the last seconds are better by chance only',
      given: pool(5, { ...overrun, arrivalsBriefPerSecond: known(4, nowMs) }),
      stuck: 'IntakeExceedsCapacity',
    },
    {
      title: 'is not while replicas start that will complete more than arrives',
      given: { ...starting, sources: [carried] },
      stuck: undefined,
    },
    {
      title: 'is stuck while replicas start that will not suffice',
      given: starting,
      stuck: 'IntakeExceedsCapacity',
    },
    {
      title: 'is not where replicas are ready that do not yet show in what is completed',
      given: pool(5, carried),
      memory: grown(10),
      stuck: undefined,
    },
    {
      title: 'is stuck where they have had the time to',
      given: pool(5, carried),
      memory: grown(12),
      stuck: 'MaxReplicas',
    },
  ])('$title', ({ given, memory, stuck }) => {
    expect(decideFor(given, policy, memory).decision.stuck).toBe(stuck);
  });
});

function completing(
  perSecond: number,
): Pick<SourceSignals, 'completionsPerSecond' | 'completionsBriefPerSecond'> {
  const rate = known(perSecond, nowMs);
  return { completionsPerSecond: rate, completionsBriefPerSecond: rate };
}
