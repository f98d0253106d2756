import { describe, expect, it } from 'vitest';
import type { Known } from '../../../../operator/measure/signals.ts';
import type { Observation } from '../../../../operator/observe/observation.ts';
import { observation, seen, source, workload } from '../../../builders/observation.ts';
import { passes } from '../../../builders/passes.ts';

type Facts = NonNullable<Parameters<typeof source>[1]>;

/** A look at the consumer at a time in seconds, with one ready replica. */
function look(second: number, facts: Facts, ready = 1): Observation {
  const atMs = second * 1_000;
  return observation(atMs, {
    sources: [source(atMs, facts)],
    workload: seen(atMs, workload({ ready })),
  });
}

const unseen = (second: number): Observation =>
  observation(second * 1_000, {
    sources: [{ consumer: { kind: 'unseen', message: 'timeout' }, heartbeats: [] }],
  });

const value = (signal: Known): number | undefined => (signal.kind === 'known' ? signal.value : undefined);

/** After `lastSeq` jobs have arrived and all but the unresolved ones are completed. */
function progress(arrived: number, pending: number, ackPending: number, more: Facts = {}): Facts {
  const { stream, ...rest } = more;
  const delivered = arrived - pending;
  return {
    pending,
    ackPending,
    deliveredConsumerSeq: delivered,
    deliveredStreamSeq: delivered,
    stream: { lastSeq: arrived, ...stream },
    ...rest,
  };
}

const filtered = (facts: Facts): Facts => ({ ...facts, filtered: true });

describe('rates of ordinary work', () => {
  it.each([
    {
      title: 'arrivals come from the stream, completions from what left the backlog',
      from: progress(1_000, 100, 10),
      to: progress(1_200, 130, 10),
      arrivals: 20,
      completions: 17,
    },
    {
      title: 'retries are no arrivals and no completions',
      from: progress(1_000, 0, 10),
      to: { ...progress(1_000, 0, 10), deliveredConsumerSeq: 1_500 },
      arrivals: 0,
      completions: 0,
    },
    {
      title: 'a filtered consumer counts what was added to pending and what was delivered',
      from: filtered(progress(5_000, 950, 0, { deliveredConsumerSeq: 0 })),
      to: filtered(progress(5_000, 1_000, 0, { deliveredConsumerSeq: 1_000 })),
      arrivals: 105,
      completions: 100,
    },
    {
      title: 'a purge of a filtered consumer is neither an arrival nor a completion',
      from: filtered(progress(5_000, 950, 3, { deliveredConsumerSeq: 10 })),
      to: filtered(progress(5_000, 0, 0, { deliveredConsumerSeq: 10 })),
      arrivals: undefined,
      completions: undefined,
    },
  ])('$title', ({ from, to, arrivals, completions }) => {
    const { first } = passes([look(0, from), look(10, to)]);
    expect([value(first.arrivalsPerSecond), value(first.completionsPerSecond)]).toEqual([
      arrivals,
      completions,
    ]);
  });

  it('100 completed in 1 s while the lag grows by 50 are 150 arrivals/s', () => {
    const { first } = passes([
      look(0, filtered(progress(0, 950, 0, { deliveredConsumerSeq: 0 }))),
      look(1, filtered(progress(0, 1_000, 0, { deliveredConsumerSeq: 100 }))),
    ]);
    expect(value(first.arrivalsPerSecond)).toBe(150);
  });
});

describe('what a bad sample does', () => {
  const before = progress(1_000, 100, 10);
  const steady = progress(1_100, 100, 10);
  const base = [look(0, before), look(10, steady)];

  it.each<{ title: string; then: Observation[]; arrivals: number | undefined }>([
    {
      title: 'a purge does not count as completions',
      then: [look(20, progress(1_200, 0, 0, { deliveredConsumerSeq: 1_010 }))],
      arrivals: 10,
    },
    {
      title: 'a recreated consumer starts all rates anew',
      then: [look(20, { ...progress(1_200, 1_200, 0), createdMs: 1_770_000_000_000 })],
      arrivals: undefined,
    },
    {
      title: 'a recreated stream starts all rates anew',
      then: [look(20, progress(5, 5, 0, { stream: { createdMs: 1_770_000_000_000 } }))],
      arrivals: undefined,
    },
    {
      title: 'a new leader with lower counters is a new baseline',
      then: [look(20, progress(900, 100, 10, { leader: 'nats-2' }))],
      arrivals: 10,
    },
    {
      title: 'a new leader with higher counters is a new baseline too',
      then: [look(20, progress(900_000, 100, 10, { leader: 'nats-2' }))],
      arrivals: 10,
    },
    {
      title: 'counters that fall under the same leader are a new baseline',
      then: [look(20, progress(500, 100, 10))],
      arrivals: 10,
    },
    {
      title: 'a server time that stands still is no news',
      then: [look(12, { ...progress(9_000, 100, 10), serverTimeMs: 1_760_000_010_000 })],
      arrivals: 10,
    },
    {
      title: 'a server time that goes back is no news',
      then: [look(12, { ...progress(9_000, 100, 10), serverTimeMs: 1_760_000_000_000 })],
      arrivals: 10,
    },
    {
      title: 'a server clock that jumps ahead is a new baseline',
      then: [look(20, { ...progress(9_000, 100, 10), serverTimeMs: 1_790_000_000_000 })],
      arrivals: 10,
    },
    {
      title: 'a pause that begins is a new baseline',
      then: [look(20, { ...progress(9_000, 8_000, 10), paused: true })],
      arrivals: 10,
    },
    {
      title: 'impossible numbers are no news',
      then: [look(20, { ...steady, pending: Number.NaN })],
      arrivals: 10,
    },
    { title: 'negative numbers are no news', then: [look(20, { ...steady, ackPending: -1 })], arrivals: 10 },
    { title: 'a missing sample keeps what was known', then: [unseen(20)], arrivals: 10 },
    {
      title: 'a gap in seeing is bridged by the counters',
      then: [unseen(11), unseen(12), look(20, progress(1_200, 100, 10))],
      arrivals: 10,
    },
  ])('$title', ({ then, arrivals }) => {
    const { first } = passes([...base, ...then]);
    expect(value(first.arrivalsPerSecond)).toBe(arrivals);
    expect(value(first.completionsPerSecond)).toBe(arrivals);
  });

  it('a server clock that stays behind is accepted as the new clock after a while', () => {
    const behind = (second: number, arrived: number): Observation =>
      look(second, { ...progress(arrived, 100, 10), serverTimeMs: 1_700_000_000_000 + second * 1_000 });
    const { first } = passes([...base, behind(12, 1_120), behind(17, 1_170), behind(18, 1_180)]);
    expect(first.presence.kind).toBe('seen');
    expect(value(first.arrivalsPerSecond)).toBeCloseTo(10, 6);
  });

  it('says of a repeated answer that the source was not seen', () => {
    const { first } = passes([...base, look(11, { ...steady, serverTimeMs: 1_760_000_010_000 })]);
    expect(first.presence).toEqual({
      kind: 'unseen',
      message: "the server's time has not advanced since the last answer",
    });
  });
});

describe('the backlog', () => {
  it.each([
    { title: 'at zero replicas all of it waits', facts: progress(50, 20, 30), ready: 0, queued: 50 },
    { title: 'what the replicas can run does not wait', facts: progress(50, 20, 30), ready: 10, queued: 40 },
    {
      title: 'with an open pull and nothing pending, ack-pending waits for its own time',
      facts: progress(50, 0, 30, { waiting: 1 }),
      ready: 1,
      queued: 0,
    },
    {
      title: 'with an open pull but no replica, it waits for a replica',
      facts: progress(50, 0, 30, { waiting: 1 }),
      ready: 0,
      queued: 30,
    },
  ])('$title', ({ facts, ready, queued }) => {
    const { first } = passes([look(0, facts, ready)]);
    expect(value(first.queuedMessages)).toBe(queued);
  });

  it('has been there since it was last empty', () => {
    const { first } = passes([
      look(0, progress(1, 1, 0)),
      look(5, progress(1, 0, 0)),
      look(9, progress(2, 1, 0)),
      look(12, progress(3, 2, 0)),
    ]);
    expect(first.unresolvedSinceMs).toBe(9_000);
  });

  it('work was last seen when the counters moved, even if nothing was left', () => {
    const { first } = passes([
      look(0, progress(1, 0, 0)),
      look(5, progress(3, 0, 0)),
      look(9, progress(3, 0, 0)),
    ]);
    expect(first.lastWorkMs).toEqual({ kind: 'known', value: 5_000, atMs: 9_000 });
  });
});

describe('the workload', () => {
  it('counts replicas by state, and since when some are in trouble', () => {
    const at = (second: number, failing: number): Observation =>
      observation(second * 1_000, {
        workload: seen(second * 1_000, workload({ ready: 2, starting: 1, terminating: 1, failing })),
      });
    const { signals } = passes([at(0, 0), at(1, 1), at(9, 2)]);
    expect(signals.workload).toEqual({
      kind: 'seen',
      desired: 5,
      ready: 2,
      starting: 1,
      terminating: 1,
      failing: 2,
      unschedulable: 0,
      troubleSinceMs: 1_000,
      troubleMessage: 'it is failing',
    });
  });

  it('remembers how long replicas take to start when there are none', () => {
    const { signals } = passes([look(0, {}), look(1, {}, 0)]);
    expect(signals.startMs).toMatchObject({ kind: 'known', value: 1_000 });
  });

  it('takes no start for longer than ten minutes', () => {
    const slow = workload({ ready: 1 });
    const replicas = slow.replicas.map((replica) => ({ ...replica, startMs: 1e12 }));
    const { signals } = passes([observation(0, { workload: seen(0, { ...slow, replicas }) })]);
    expect(value(signals.startMs)).toBe(600_000);
  });
});
