import { describe, expect, it } from 'vitest';
import type { Observation, SourceObservation } from '../../operator/observe/observation.ts';
import { spec } from '../builders/spec.ts';
import { seededRandom } from '../../operator/simulate/random.ts';
import { tell } from './run.ts';
import type { Story, Told } from './run.ts';

const policy = spec({ maxReplicas: 12, prior: { concurrency: 2, serviceMilliseconds: 500 } });

/** 12 jobs/s for replicas of two slots that complete 4/s each: about five are right. */
const steady = (more: Partial<Story>): Story => ({
  spec: policy,
  model: { random: seededRandom(7), serviceMs: 500, slots: 2, startMs: 2_000, hasHeartbeats: true },
  seconds: 240,
  arrivals: () => 12,
  ...more,
});

const within = (second: number, from: number, to: number): boolean => second >= from && second < to;

function withConsumer(
  observation: Observation,
  change: (consumer: SourceObservation['consumer']) => SourceObservation['consumer'],
): Observation {
  return {
    ...observation,
    sources: observation.sources.map((source) => ({ ...source, consumer: change(source.consumer) })),
  };
}

const span = (told: Told, from: number, to: number): readonly number[] => told.replicas.slice(from, to);
const lowest = (told: Told, from: number, to: number): number => Math.min(...span(told, from, to));

describe('when the consumer is recreated', () => {
  const recreated = tell(
    steady({
      disturb: (observation, second) =>
        withConsumer(observation, (consumer) => {
          if (within(second, 100, 110)) return { kind: 'absent', message: 'consumer not found' };
          if (consumer.kind !== 'seen' || second < 110) return consumer;
          const { value } = consumer;
          return { ...consumer, value: { ...value, createdMs: value.createdMs + 1 } };
        }),
    }),
  );

  it('the replicas stay while it is gone', () => {
    expect(new Set(span(recreated, 99, 110)).size).toBe(1);
    expect(recreated.decisions[105]).toMatchObject({ kind: 'hold', reason: 'ConsumerMissing' });
  });

  it('nothing jumps when it is back', () => {
    const settled = recreated.replicas[99] ?? 0;
    expect(Math.max(...span(recreated, 110, 240))).toBeLessThanOrEqual(settled + 3);
    expect(lowest(recreated, 110, 240)).toBeGreaterThanOrEqual(3);
  });
});

describe('when the source is out of sight', () => {
  const blind: Story['disturb'] = (observation, second) =>
    within(second, 60, 180)
      ? withConsumer(observation, () => ({ kind: 'unseen', message: 'timeout' }))
      : observation;

  it('nothing is taken away, although nothing arrives any more', () => {
    const told = tell(steady({ disturb: blind, arrivals: (second) => (second < 60 ? 12 : 0) }));
    expect(lowest(told, 60, 180)).toBe(told.replicas[59]);
    expect(told.decisions[170]).toMatchObject({ kind: 'hold', reason: 'SourceUnavailable' });
    expect(told.replicas.at(-1)).toBe(0);
  });

  it('the fallback raises, and the demand takes over when it is back', () => {
    const told = tell(
      steady({
        spec: { ...policy, fallback: { afterSeconds: 60, replicas: 11 } },
        disturb: blind,
        seconds: 400,
      }),
    );
    expect(told.decisions.some(({ reason }) => reason === 'Fallback')).toBe(true);
    expect(told.replicas[179]).toBe(11);
    expect(told.replicas.at(-1)).toBeLessThanOrEqual(7);
  });

  it('a single missed look changes nothing', () => {
    const missing: Story['disturb'] = (observation, second) =>
      second % 7 === 3
        ? withConsumer(observation, () => ({ kind: 'unseen', message: 'timeout' }))
        : observation;
    const told = tell(steady({ disturb: missing }));
    expect(lowest(told, 20, 240)).toBeGreaterThanOrEqual(3);
    expect(told.backlog.at(-1)).toBeLessThan(50);
  });
});

describe('when the operator restarts without memory', () => {
  it('it keeps what is there, and finds back to the same size', () => {
    const told = tell(steady({ restartAt: 120 }));
    const before = told.replicas[119] ?? 0;
    expect(lowest(told, 120, 126)).toBeGreaterThanOrEqual(before);
    expect(Math.abs((told.replicas.at(-1) ?? 0) - before)).toBeLessThanOrEqual(2);
  });

  it('in the middle of a backlog it does not let go', () => {
    const told = tell(steady({ arrivals: (second) => (second === 10 ? 2_000 : 0), restartAt: 40 }));
    expect(lowest(told, 40, 46)).toBeGreaterThanOrEqual(told.replicas[39] ?? 0);
    expect(told.model.completed).toBe(2_000);
  });
});

describe('when new replicas fail to start', () => {
  const told = tell(
    steady({
      arrivals: (second) => (second < 60 ? 12 : 36),
      seconds: 200,
      model: { ...steady({}).model, failsToStart: (atMs) => within(atMs, 60_000, 500_000) },
    }),
  );

  it('no more are asked for than run and one', () => {
    expect(new Set(span(told, 120, 200)).size).toBe(1);
    expect(told.decisions.at(-1)).toMatchObject({ kind: 'hold' });
  });

  it('it says why', () => {
    const { diagnosis } = told.decisions.at(-1) ?? { diagnosis: [] };
    expect(diagnosis.find(({ type }) => type === 'ReplicasFailing')?.message).toContain('exit code 1');
  });

  it('those that run stay', () => {
    expect(lowest(told, 60, 200)).toBeGreaterThanOrEqual(told.replicas[59] ?? 0);
  });
});

describe('when replicas that failed to start recover', () => {
  const told = tell(
    steady({
      arrivals: (second) => (second < 60 ? 12 : 36),
      seconds: 420,
      model: { ...steady({}).model, failsToStart: (atMs) => within(atMs, 60_000, 180_000) },
    }),
  );
  const isReported = (second: number): boolean =>
    told.decisions[second]?.diagnosis.some(({ type }) => type === 'ReplicasFailing') === true;

  it('the finding lasts as long as the trouble', () => {
    expect(isReported(170)).toBe(true);
    expect(span(told, 190, 420).map((_, index) => isReported(190 + index))).not.toContain(true);
  });

  it('the pool grows and the backlog is worked off', () => {
    expect(Math.max(...span(told, 185, 420))).toBeGreaterThan(told.replicas[170] ?? 0);
    expect(told.backlog.at(-1)).toBeLessThan((told.backlog[180] ?? 0) / 4);
  });
});

describe('when replicas are seen five seconds late', () => {
  const lag = 5;
  const late = (foreign?: { readonly desired: number; readonly from: number }): Told => {
    const seen: Observation['workload'][] = [];
    return tell(
      steady({
        spec: spec({ maxReplicas: 50 }),
        model: { random: seededRandom(3), serviceMs: 200, slots: 1, startMs: 1_000, hasHeartbeats: true },
        arrivals: (second) => Math.min(150, second),
        replicas: 1,
        disturb: (observation, second) => {
          const { workload } = observation;
          const isForeign = foreign !== undefined && second >= foreign.from && workload.kind === 'seen';
          seen.push(
            isForeign ? { ...workload, value: { ...workload.value, desired: foreign.desired } } : workload,
          );
          return { ...observation, workload: seen.at(-1 - lag) ?? workload };
        },
      }),
    );
  };

  it('a pool that grows each few seconds does not take its own writes for foreign ones', () => {
    const told = late();
    expect(told.scaleActions).toBeGreaterThan(20);
    expect(told.decisions.filter(({ reason }) => reason === 'Contested')).toEqual([]);
  });

  it('a foreign write is noticed', () => {
    const reasons = late({ desired: 7, from: 100 }).decisions.map(({ reason }) => reason);
    expect(reasons.indexOf('Contested')).toBe(100 + lag);
  });
});
