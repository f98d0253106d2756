import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import { decide } from '../../../../operator/decide/decide.ts';
import type { Decision } from '../../../../operator/decide/decision.ts';
import { measure } from '../../../../operator/measure/measure.ts';
import type { Signals } from '../../../../operator/measure/signals.ts';
import type { Observation } from '../../../../operator/observe/observation.ts';
import { catchUp, initialState } from '../../../../operator/reconcile/pass.ts';
import type { PoolState } from '../../../../operator/reconcile/pass.ts';
import { isAtRest, isStill } from '../../../../operator/reconcile/rest.ts';
import type { Saying } from '../../../../operator/reconcile/rest.ts';
import { observation, seen, source, workload } from '../../../builders/observation.ts';
import { heartbeat } from '../../../builders/heartbeat.ts';
import { spec } from '../../../builders/spec.ts';

type Step = { readonly state: PoolState; readonly decision: Decision; readonly signals: Signals };

/** One pass without a write. */
function step(policy: WorkerPoolSpec, { history, memory }: PoolState, observed: Observation): Step {
  const measured = measure(history, observed, policy);
  const decided = decide({ spec: policy, signals: measured.signals, memory, nowMs: observed.atMs });
  return {
    state: { history: measured.history, memory: decided.memory },
    decision: decided.decision,
    signals: measured.signals,
  };
}

/** A pool with as many replicas as its minimum, all ready, and so many messages that have arrived so far. */
const look = (atMs: number, minReplicas: number, arrived = 0): Observation =>
  observation(atMs, {
    sources: [source(atMs, { pending: arrived, stream: { lastSeq: arrived, messages: arrived } })],
    workload: seen(atMs, workload({ ready: minReplicas })),
  });

const details = (policy: WorkerPoolSpec, observed: Observation, { decision, signals }: Step) => ({
  pool: { key: 'default/work', spec: policy },
  observation: observed,
  signals,
  decision,
  outcome: undefined,
});

describe('a pool that rests', () => {
  test('decides after its rest as if it had been passed over all the time', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 3 }),
        fc.integer({ min: 40, max: 200 }),
        fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 12 }),
        (minReplicas, quietSeconds, bursts) => {
          const policy = spec({ minReplicas, zero: { idleSeconds: 5 } });
          let always = initialState(0);
          let resting = initialState(0);
          let said: Saying | undefined;
          let restsUntilMs = -1;
          let quiet: Observation | undefined;
          let passes = 0;
          for (let second = 0; second < quietSeconds; second += 1) {
            const observed = look(second * 1_000, minReplicas);
            always = step(policy, always, observed).state;
            if (observed.atMs < restsUntilMs) {
              quiet = observed;
              continue;
            }
            if (quiet !== undefined) {
              resting = catchUp({ key: 'default/work', spec: policy }, resting, quiet, []);
              quiet = undefined;
            }
            const now = step(policy, resting, observed);
            passes += 1;
            resting = now.state;
            if (isAtRest(details(policy, observed, now), said)) {
              restsUntilMs = observed.atMs + now.decision.nextCheckMs;
            }
            said = now.decision;
          }
          expect(passes).toBeLessThan(quietSeconds / 2);

          if (quiet !== undefined) {
            resting = catchUp({ key: 'default/work', spec: policy }, resting, quiet, []);
          }
          let arrived = 0;
          for (const [index, burst] of bursts.entries()) {
            arrived += burst;
            const observed = look((quietSeconds + index) * 1_000, minReplicas, arrived);
            const [one, other] = [step(policy, always, observed), step(policy, resting, observed)];
            expect(other.decision).toEqual(one.decision);
            [always, resting] = [one.state, other.state];
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('a pool may rest', () => {
  const policy = spec({ minReplicas: 1, zero: { idleSeconds: 5 } });
  /** The last of so many passes, one a second, over what is given from the last but two on. */
  const after = (seconds: number, last: (atMs: number) => Observation): boolean => {
    let state = initialState(0);
    let said: Saying | undefined;
    let mayRest = false;
    for (let second = 0; second < seconds; second += 1) {
      const atMs = second * 1_000;
      const observed = second < seconds - 2 ? look(atMs, 1) : last(atMs);
      const now = step(policy, state, observed);
      mayRest = isAtRest(details(policy, observed, now), said);
      state = now.state;
      said = now.decision;
    }
    return mayRest;
  };
  const cases: Record<string, { last: (atMs: number) => Observation; rests: boolean }> = {
    'when nothing happens': { last: (atMs) => look(atMs, 1), rests: true },
    'not while a message waits': { last: (atMs) => look(atMs, 1, 1), rests: false },
    'not while a replica starts': {
      last: (atMs) => ({ ...look(atMs, 1), workload: seen(atMs, workload({ starting: 1 })) }),
      rests: false,
    },
    'not while the consumer is not seen': {
      last: (atMs) => ({
        ...look(atMs, 1),
        sources: [{ consumer: { kind: 'unseen', message: 'no answer' }, heartbeats: [] }],
      }),
      rests: false,
    },
    'not while the target is not seen': {
      last: (atMs) => ({ ...look(atMs, 1), workload: { kind: 'unseen', message: 'no answer' } }),
      rests: false,
    },
  };
  test.each(Object.entries(cases))('%s', (_, { last, rests }) => {
    expect(after(60, last)).toBe(rests);
  });
});

describe('a rest ends', () => {
  const before = look(0, 0);
  const now = (facts: Parameters<typeof source>[1], isHeard = false): boolean =>
    isStill(before.sources[0], source(1_000, facts).consumer, isHeard);
  const same = { stream: { lastSeq: 0 } };

  test('not by the time of the server', () => expect(now(same)).toBe(true));
  test('by a worker that is heard', () => expect(now(same, true)).toBe(false));
  test('with one that was heard', () => {
    const heard = [{ atMs: 0, heartbeat: heartbeat() }];
    expect(isStill(source(0, same, heard), source(1_000, same).consumer, false)).toBe(false);
  });
  test('by a consumer that is not seen', () => {
    expect(isStill(before.sources[0], { kind: 'unseen', message: '' }, false)).toBe(false);
  });
  test('by a message of the stream, unless the consumer sees only some', () => {
    expect(now({ stream: { lastSeq: 1 } })).toBe(false);
    const filtered = source(0, { filtered: true });
    const other = source(1_000, { filtered: true, stream: { lastSeq: 1 } }).consumer;
    expect(isStill(filtered, other, false)).toBe(true);
  });
  test.each([
    { pending: 1 },
    { ackPending: 1 },
    { redelivered: 1 },
    { waiting: 1 },
    { deliveredConsumerSeq: 1 },
    { ackFloorStreamSeq: 1 },
    { paused: true },
    { leader: 'nats-2' },
    { maxAckPending: 5 },
    { ackWaitMs: 1 },
    { maxDeliver: 3 },
    { createdMs: 1 },
  ])('by %o', (change) => expect(now({ ...same, ...change })).toBe(false));
});
