import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { emptyHistory, measure } from '../../../../operator/measure/measure.ts';
import type { History } from '../../../../operator/measure/measure.ts';
import type { Known, Signals } from '../../../../operator/measure/signals.ts';
import type { ConsumerFacts, Observation } from '../../../../operator/observe/observation.ts';
import { heartbeat } from '../../../builders/heartbeat.ts';
import { consumer, observation, seen, workload } from '../../../builders/observation.ts';
import { passes } from '../../../builders/passes.ts';
import { propertyRuns } from '../../../builders/propertyRuns.ts';
import { spec } from '../../../builders/spec.ts';

vi.setConfig({ testTimeout: 300_000 });

/** What happens to a consumer within a second. */
const event = fc.record({
  arrived: fc.nat(1_000),
  completed: fc.nat(1_000),
  redelivered: fc.nat(100),
  mishap: fc.constantFrom(
    'none',
    'none',
    'none',
    'unseen',
    'purge',
    'recreate',
    'leader',
    'reset',
    'pause',
    'clock',
  ),
});
type Event = typeof event extends fc.Arbitrary<infer E> ? E : never;

const mostPerSecond = 1_000;

function stories(events: readonly Event[], filtered: boolean): readonly Observation[] {
  let facts = consumer(0, { filtered });
  return events.map(({ arrived, completed, redelivered, mishap }, second) => {
    const atMs = second * 1_000;
    const done = Math.min(completed, facts.pending + facts.ackPending);
    const backlog = facts.pending + facts.ackPending + arrived - done;
    const ackPending = Math.min(backlog, 20);
    const pending = backlog - ackPending;
    const delivered = Math.max(0, facts.pending + arrived - pending) + redelivered;
    const lastSeq = (facts.stream?.lastSeq ?? 0) + arrived;
    facts = consumer(atMs, {
      ...facts,
      serverTimeMs: facts.serverTimeMs + (second === 0 ? 0 : 1_000),
      pending,
      ackPending,
      deliveredConsumerSeq: facts.deliveredConsumerSeq + delivered,
      stream: { ...facts.stream, lastSeq },
    });
    facts = befall(facts, mishap);
    const source =
      mishap === 'unseen' ? ({ kind: 'unseen', message: 'timeout' } as const) : seen(atMs, facts);
    return observation(atMs, {
      sources: [{ consumer: source, heartbeats: [] }],
      workload: seen(atMs, workload({ ready: 2 })),
    });
  });
}

function befall(facts: ConsumerFacts, mishap: Event['mishap']): ConsumerFacts {
  const { stream } = facts;
  if (stream === undefined) return facts;
  switch (mishap) {
    case 'purge':
      return { ...facts, pending: 0, ackPending: 0, deliveredStreamSeq: stream.lastSeq };
    case 'recreate':
      return { ...facts, createdMs: facts.createdMs + 1, deliveredConsumerSeq: 0, pending: stream.lastSeq };
    case 'leader':
      return {
        ...facts,
        leader: `${facts.leader ?? ''}x`,
        deliveredConsumerSeq: 3,
        pending: facts.pending + 77_777,
      };
    case 'reset':
      return { ...facts, deliveredConsumerSeq: 0, stream: { ...stream, lastSeq: 0 } };
    case 'pause':
      return { ...facts, paused: !facts.paused };
    case 'clock':
      return { ...facts, serverTimeMs: facts.serverTimeMs - 3_600_000 };
    case 'none':
    case 'unseen':
      return facts;
  }
}

function rates({ sources }: Signals): readonly Known[] {
  return sources.flatMap((source) => [
    source.arrivalsPerSecond,
    source.plannedArrivalsPerSecond,
    source.arrivalsLongPerSecond,
    source.completionsPerSecond,
  ]);
}

describe('whatever befalls a consumer', () => {
  const story = fc.record({
    events: fc.array(event, { minLength: 2, maxLength: 60 }),
    filtered: fc.boolean(),
  });

  it('no figure is negative, infinite, or not a number', () => {
    fc.assert(
      fc.property(story, ({ events, filtered }) => {
        let history: History = emptyHistory;
        for (const observed of stories(events, filtered)) {
          const measured = measure(history, observed, spec());
          history = measured.history;
          const { sources, utilization } = measured.signals;
          const backlog = sources.flatMap(({ queuedMessages, runningJobs }) => [queuedMessages, runningJobs]);
          for (const signal of [...rates(measured.signals), ...backlog, utilization]) {
            if (signal.kind === 'unknown') continue;
            expect(Number.isFinite(signal.value)).toBe(true);
            expect(signal.value).toBeGreaterThanOrEqual(0);
          }
          for (const { capacity } of sources) expect(capacity.jobsPerSecond).toBeGreaterThan(0);
        }
      }),
      { numRuns: propertyRuns },
    );
  });

  it('no arrival rate exceeds what can have arrived', () => {
    fc.assert(
      fc.property(story, ({ events, filtered }) => {
        const { first } = passes(stories(events, filtered));
        if (first.arrivalsPerSecond.kind === 'unknown') return;
        // A filtered consumer without heartbeats cannot tell a retry from an arrival.
        expect(first.arrivalsPerSecond.value).toBeLessThanOrEqual(mostPerSecond + (filtered ? 100 : 0));
      }),
      { numRuns: propertyRuns },
    );
  });
});

describe('bad samples between good ones', () => {
  const arrived = fc.array(fc.nat(50), { minLength: 3, maxLength: 40 });
  const place = fc.nat(100);

  function history(perSecond: readonly number[]): Observation[] {
    return [
      ...stories(
        perSecond.map((n) => ({ arrived: n, completed: n, redelivered: 0, mishap: 'none' })),
        false,
      ),
    ];
  }

  it.each([
    { title: 'a repeated answer', back: 0 },
    { title: 'an answer from before', back: 60_000 },
  ])('$title changes no rate', ({ back }) => {
    fc.assert(
      fc.property(arrived, place, (perSecond, where) => {
        const good = history(perSecond);
        const index = where % (good.length - 1);
        const repeated = good[index];
        if (repeated?.sources[0]?.consumer.kind !== 'seen') throw new Error('the history is seen throughout');
        const { value } = repeated.sources[0].consumer;
        const atMs = repeated.atMs + 500;
        const bad = observation(atMs, {
          sources: [
            {
              consumer: seen(atMs, { ...value, serverTimeMs: value.serverTimeMs - back, pending: 9_999 }),
              heartbeats: [],
            },
          ],
          workload: repeated.workload,
        });
        const disturbed = passes(good.toSpliced(index + 1, 0, bad));
        expect(rates(disturbed.signals)).toEqual(rates(passes(good).signals));
      }),
      { numRuns: propertyRuns },
    );
  });
});

describe('workers that lie', () => {
  const anything = fc.oneof(
    fc.constantFrom(0, 1, 1_000, 1e9, Number.MAX_SAFE_INTEGER),
    fc.nat(5),
    fc.nat(100_000),
  );
  const claim = fc.record({
    slots: anything,
    busy: anything,
    oldestRunningMs: anything,
    succeeded: anything,
    retried: anything,
    busySlotMs: anything,
    slotMs: anything,
    serviceMs: anything,
    squaresMs2: fc.oneof(anything, fc.constantFrom(1e20, Number.MAX_SAFE_INTEGER ** 2)),
    restarts: fc.boolean(),
    /** Whether the totals grow with time, as those of honest workers do. */
    grows: fc.boolean(),
  });

  const multiplied = <T extends Record<string, number>>(totals: T, by: number): T =>
    Object.fromEntries(
      Object.entries(totals).map(([name, value]) => [name, Math.min(value * by, Number.MAX_SAFE_INTEGER)]),
    ) as T; // The same names.

  type Claim = typeof claim extends fc.Arbitrary<infer C> ? C : never;

  /** 10 jobs/s are done by two replicas under a backlog, for a minute; each worker says what it likes, every second. */
  function told(claims: readonly (readonly Claim[])[]): ReturnType<typeof passes> {
    const looks = Array.from({ length: 60 }, (_, second) => {
      const atMs = second * 1_000;
      const heartbeats = claims.flatMap((said, worker) => {
        const now = said[second % said.length];
        if (now === undefined) return [];
        const { slots, busy, oldestRunningMs, serviceMs, squaresMs2, restarts, grows, ...claimed } = now;
        const totals = grows ? multiplied(claimed, second) : claimed;
        const lie = heartbeat({
          worker: `w${worker}`,
          sequence: second + 1,
          startedAtMs: restarts ? second : 1,
          ...{ slots, busy, oldestRunningMs },
          service: { count: totals.succeeded, sumMs: serviceMs, sumSquaresMs2: squaresMs2 },
        });
        return [{ atMs, heartbeat: { ...lie, totals: { ...lie.totals, ...totals } } }];
      });
      const done = 10 * second;
      const facts = {
        pending: 500,
        ackPending: 4,
        deliveredConsumerSeq: done + 4,
        stream: { lastSeq: done + 504 },
      };
      return observation(atMs, {
        sources: [{ consumer: seen(atMs, consumer(atMs, facts)), heartbeats }],
        workload: seen(atMs, workload({ ready: 2 })),
      });
    });
    return passes(looks, spec({ prior: { concurrency: 2, serviceMilliseconds: 400 } }));
  }

  it('move the capacity of a replica no further than a little from what the consumer shows', () => {
    const honest = told([]).first.capacity.jobsPerSecond;
    expect(honest).toBeCloseTo(5, 0);
    const liars = fc.array(fc.array(claim, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(liars, (claims) => {
        const { first, signals } = told(claims);
        const { jobsPerSecond } = first.capacity;
        expect(jobsPerSecond).toBeLessThanOrEqual(2.1 * honest);
        expect(jobsPerSecond).toBeGreaterThanOrEqual(honest / 4.1);
        expect(first.runningJobs).toMatchObject({ kind: 'known' });
        for (const signal of [
          ...rates(signals),
          first.queuedMessages,
          first.runningJobs,
          first.successMs,
          first.serviceVariability,
          first.serviceP95Ms,
          first.attemptsPerSuccess,
          first.repeatedShare,
          signals.utilization,
        ]) {
          if (signal.kind === 'known') expect(Number.isFinite(signal.value) && signal.value >= 0).toBe(true);
        }
        expect(first.queuedMessages.kind === 'known' && first.queuedMessages.value).toBeLessThanOrEqual(504);
      }),
      { numRuns: propertyRuns },
    );
  });
});
