import { describe, expect, it } from 'vitest';
import { decide } from '../../../../../operator/decide/decide.ts';
import type { Stage } from '../../../../../operator/decide/stage.ts';
import { Stages } from '../../../../../operator/reconcile/stages.ts';
import { known } from '../../../../../operator/measure/signals.ts';
import { atOnce, decideFor, load, nowMs, pool, settled } from '../../../../builders/decisions.ts';
import { spec } from '../../../../builders/spec.ts';

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
  const policy = spec({ behavior: atOnce, feeds: ['encode'], guards: { stage: mode }, minReplicas });
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
  const policy = spec({ maxReplicas: 5, feeds: ['next'] });
  const stuck = decideFor(
    pool(5, { ...load({ arrivals: 9, queued: 900 }), completionsPerSecond: known(5, nowMs) }),
    policy,
  ).decision;
  const held = {
    ...stuck,
    diagnosis: stuck.diagnosis.map((each) =>
      each.type === 'ObjectiveReachable' ? { ...each, reason: 'StageBlocked' } : each,
    ),
  };
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

  it('are not stuck while their backlog shrinks, or is within the objective', () => {
    const stages = new Stages();
    for (const arrivalsPerSecond of [1, null]) {
      stages.note(c, { ...stuck, evidence: { ...stuck.evidence, arrivalsPerSecond } }, [], nowMs);
      expect(stages.fedBy(b)[0]?.stuck).toBeUndefined();
    }
    stages.note(c, { ...stuck, evidence: { ...stuck.evidence, queuedMessages: 100 } }, [], nowMs);
    expect(stages.fedBy(b)[0]?.stuck).toBeUndefined();
  });

  it('are forgotten when they are gone, and are not looked for in other namespaces', () => {
    const stages = new Stages();
    stages.note(c, stuck, [], nowMs);
    expect(stages.fedBy(entry('y/b', 'c'))).toEqual([]);
    stages.keepOnly(new Map());
    expect(stages.fedBy(b)).toEqual([]);
  });
});
