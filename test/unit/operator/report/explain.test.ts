import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createLogger } from '#common/log.ts';
import { measure, emptyHistory } from '../../../../operator/measure/measure.ts';
import { explain } from '../../../../operator/report/explain.ts';
import type { Explanation } from '../../../../operator/report/explain.ts';
import { explanationText } from '../../../../operator/report/explainText.ts';
import { LastPasses } from '../../../../operator/report/lastPasses.ts';
import { explainRecord } from '../../../../operator/report/recordedPass.ts';
import { Recorder } from '../../../../operator/report/recorder.ts';
import { simulatedPasses } from '../../../builders/simulatedPasses.ts';
import type { SimulatedPass } from '../../../builders/simulatedPasses.ts';

const time = '2026-01-02T03:04:05.000Z';

/** Measures the passes again, as the operator did, and explains the last one. */
function explainLast(passes: readonly SimulatedPass[]): Explanation {
  let history = emptyHistory;
  const last = passes.at(-1);
  if (last === undefined) throw new Error('no pass');
  let { signals } = measure(history, last.observation, last.pool.spec);
  for (const { observation, pool } of passes)
    ({ signals, history } = measure(history, observation, pool.spec));
  return explain(last.pool, signals, last.decision, time);
}

const tooMany = simulatedPasses({ seconds: 25, policy: { maxReplicas: 2 } });

test('says what stands in the way, by how much, and what would help', () => {
  const explanation = explainLast(tooMany);
  expect(explanation).toMatchObject({
    pool: 'default/work',
    decision: { kind: 'hold', from: 2, reason: 'MaxReplicas' },
    objective: { reachable: 'False', reason: 'IntakeExceedsCapacity' },
  });
  const text = explanationText(explanation);
  expect(text).toMatch(/^Pool default\/work at 2026-01-02T03:04:05.000Z\n/);
  expect(text).toContain('\nhold at 2 replicas: MaxReplicas\n');
  expect(text).toMatch(/Can the objective be reached\? NO: IntakeExceedsCapacity\n/);
  expect(text).toMatch(
    /what would help:\n {4}maxReplicas of \d+ or more\n {4}no more than [\d.]+ jobs\/s taken in\n/,
  );
  expect(text).toMatch(
    /How 2 came about\n {2}the demand alone {2}\d+\n {2}MaxReplicas {7}2 +maxReplicas is 2\n/,
  );
});

test('gives every figure its unit, and a reason to those that are not known', () => {
  const { figures } = explainLast(simulatedPasses({ seconds: 1 }));
  expect(figures.map(({ of }) => of)).toEqual(['pool', 'consumer work of stream JOBS']);
  for (const { value, ageSeconds, unknown } of figures.flatMap((group) => group.figures)) {
    expect(value === null).toBe(unknown !== null);
    expect(ageSeconds === null).toBe(unknown !== null);
  }
  const text = explanationText(explainLast(simulatedPasses({ seconds: 1 })));
  expect(text).toMatch(/\n {4}attempts per success +unknown: too few jobs were reported\n/);
  expect(text).toMatch(/\n {4}arrivals, 30 s +unknown: a rate needs two readings of the consumer\n/);
});

test('says when a rule lets go by itself', () => {
  const passes = simulatedPasses({
    seconds: 40,
    policy: { behavior: { scaleDown: { stabilizationWindowSeconds: 60 } } },
  });
  const limited = passes.findLastIndex(({ decision }) => decision.reason === 'Stabilized');
  const { rules } = explainLast(passes.slice(0, limited + 1));
  const stabilized = rules.changes.find(({ reason }) => reason === 'Stabilized');
  expect(stabilized?.endsInSeconds).toBeGreaterThan(0);
  expect(stabilized?.endsInSeconds).toBeLessThanOrEqual(60);
});

test('is the same from a running operator and from its record', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'penstock-explain-'));
  const file = join(folder, 'passes.jsonl');
  try {
    const clock = { monotonicMs: () => 0, wallMs: () => 0 };
    const options = { file, maxBytes: 1e9, onLines: () => undefined };
    await using recorder = await Recorder.open(options, clock, createLogger('test', 'silent'));
    for (const pass of tooMany) recorder.record(time, pass);
    await recorder[Symbol.asyncDispose]();
    const explanation = await explainRecord(file, { pool: undefined, time: undefined });
    expect(explanation).toEqual(explainLast(tooMany));
    await expect(explainRecord(file, { pool: 'default/none', time: undefined })).rejects.toThrow(
      'there is no pass over default/none',
    );
    const earlier = { pool: undefined, time: '2020-01-01T00:00:00Z' };
    await expect(explainRecord(file, earlier)).rejects.toThrow('there is no pass over any pool until 2020');
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('the last passes of pools that are gone are forgotten', () => {
  const passes = new LastPasses();
  const [pass] = tooMany;
  if (pass === undefined) throw new Error('no pass');
  const { signals } = measure(emptyHistory, pass.observation, pass.pool.spec);
  passes.keep({ time, pool: pass.pool, signals, decision: pass.decision });
  expect(passes.list()).toEqual([{ pool: 'default/work', reason: pass.decision.reason }]);
  expect(passes.explain('default/work')?.pool).toBe('default/work');
  passes.keepOnly(new Set(['default/other']));
  expect(passes.explain('default/work')).toBeUndefined();
});
