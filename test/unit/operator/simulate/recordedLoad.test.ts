import { describe, expect, it } from 'vitest';
import { penstock } from '../../../../operator/simulate/policy.ts';
import { QueueModel } from '../../../../operator/simulate/queueModel.ts';
import { seededRandom } from '../../../../operator/simulate/random.ts';
import { loadFromRecord } from '../../../../operator/simulate/recordedLoad.ts';
import type { Observation } from '../../../../operator/observe/observation.ts';
import type { RecordLine } from '../../../../operator/report/recordFormat.ts';
import { spec } from '../../../builders/spec.ts';

type Pass = Extract<RecordLine, { kind: 'pass' }>;
const perSecond = [0, 3, 5, 0, 2, 7];

/** What an operator would have recorded over these arrivals, a pass a second. */
function passes(
  pool = 'default/resize',
  change = (facts: Observation): Observation => facts,
): readonly Pass[] {
  const model = new QueueModel({
    random: seededRandom(1),
    serviceMs: () => 500,
    slots: 1,
    startMs: 0,
    hasHeartbeats: true,
  });
  const lines: Pass[] = [];
  let decision: Pass['decision'] | undefined;
  const operator = penstock(spec(), { onDecision: (made) => (decision = made) });
  for (const [second, jobs] of perSecond.entries()) {
    model.advance((second + 1) * 1_000, new Array<number>(jobs).fill(second * 1_000 + 500));
    const wanted = operator.look(model, second);
    if (wanted !== undefined) model.scale(wanted);
    if (decision === undefined) throw new Error('the operator decides at each look');
    const time = new Date(1_760_000_000_000 + second * 1_000).toISOString();
    lines.push({
      kind: 'pass',
      time,
      pool,
      observation: change(model.observe()),
      decision,
      outcome: undefined,
    });
  }
  return lines;
}

// eslint-disable-next-line @typescript-eslint/require-await
async function* linesOf(...lines: readonly RecordLine[]): AsyncGenerator<RecordLine> {
  yield { kind: 'start', version: 1, run: 'a' };
  yield* lines;
}

const choice = { pool: undefined, areGapsQuiet: false };

describe('a record', () => {
  it('gives what arrived between its passes', async () => {
    const load = await loadFromRecord(linesOf(...passes()), 'r.jsonl', choice);
    expect(load.bins.map(({ jobs }) => jobs)).toEqual(perSecond.slice(1));
    expect(load.bins[0]).toEqual({ fromMs: 0, toMs: 1_000, jobs: 3 });
    expect(load.seconds).toBe(5);
  });

  it('counts over passes that did not see the consumer', async () => {
    const blind = passes().map((pass, index) =>
      index !== 2
        ? pass
        : {
            ...pass,
            observation: {
              ...pass.observation,
              sources: [{ consumer: { kind: 'unseen' as const, message: 'no answer' }, heartbeats: [] }],
            },
          },
    );
    const load = await loadFromRecord(linesOf(...blind), 'r.jsonl', choice);
    expect(load.jobs).toBe(17);
  });

  it('of several pools needs a choice', async () => {
    const both = [...passes(), ...passes('default/other')];
    await expect(loadFromRecord(linesOf(...both), 'r.jsonl', choice)).rejects.toThrow(
      /r\.jsonl: choose one pool with --pool: default\/resize, default\/other/,
    );
    const one = await loadFromRecord(linesOf(...both), 'r.jsonl', { ...choice, pool: 'other' });
    expect(one.jobs).toBe(17);
  });

  it('with a time in which nobody knows what arrived is refused, or quiet there', async () => {
    const recreated = passes().map((pass, index) => {
      const [source] = pass.observation.sources;
      if (index < 3 || source?.consumer.kind !== 'seen') return pass;
      const value = { ...source.consumer.value, createdMs: 1 };
      return {
        ...pass,
        observation: {
          ...pass.observation,
          sources: [{ ...source, consumer: { ...source.consumer, value } }],
        },
      };
    });
    await expect(loadFromRecord(linesOf(...recreated), 'r.jsonl', choice)).rejects.toThrow(
      /it is not known what arrived between .* and .*; pass --gaps quiet/,
    );
    const quiet = await loadFromRecord(linesOf(...recreated), 'r.jsonl', { ...choice, areGapsQuiet: true });
    expect(quiet.bins.map(({ jobs }) => jobs)).toEqual([3, 5, 0, 2, 7]);
  });

  it('without passes is refused', async () => {
    await expect(loadFromRecord(linesOf(), 'r.jsonl', choice)).rejects.toThrow(
      /there are no two passes over any pool/,
    );
  });
});
