import { describe, expect, it } from 'vitest';
import type { Heartbeat } from '#common/heartbeat.ts';
import type { SourceSignals } from '../../../../operator/measure/signals.ts';
import type { Observation } from '../../../../operator/observe/observation.ts';
import { heartbeat } from '../../../builders/heartbeat.ts';
import { consumer, observation, seen, workload } from '../../../builders/observation.ts';
import { passes } from '../../../builders/passes.ts';
import { spec } from '../../../builders/spec.ts';

const policy = spec({ prior: { concurrency: 2, serviceMilliseconds: 1_000 } });

/** What a worker does all the time. */
type Worker = {
  readonly slots?: number;
  readonly busy?: number;
  /** Run time of a job. */
  readonly jobMs?: number;
  /** Of the jobs that end, this share fails and is retried. */
  readonly failing?: number;
  readonly change?: (beat: Heartbeat, second: number) => Heartbeat;
};

function beat(name: string, worker: Worker, second: number): Heartbeat {
  const {
    slots = 4,
    busy = slots,
    jobMs = 500,
    failing = 0,
    change = (same: Heartbeat): Heartbeat => same,
  } = worker;
  const busySlotMs = busy * second * 1_000;
  const ended = Math.floor(busySlotMs / jobMs);
  const succeeded = Math.round(ended * (1 - failing));
  const honest = heartbeat({
    worker: name,
    sequence: second + 1,
    slots,
    busy,
    oldestRunningMs: busy === 0 ? 0 : Math.min(second * 1_000, jobMs),
    totals: {
      ...heartbeat().totals,
      deliveries: ended + busy,
      firstDeliveries: succeeded + busy,
      succeeded,
      retried: ended - succeeded,
      busySlotMs,
      slotMs: slots * second * 1_000,
    },
  });
  return change(honest, second);
}

type Scene = {
  readonly workers?: readonly Worker[];
  readonly seconds?: number;
  /** Completions per second that the consumer shows. */
  readonly completions?: number;
  readonly pending?: number;
  readonly ackPending?: number;
  readonly ready?: number;
};

/** A source after some seconds of the same scene. */
function play({
  workers = [],
  seconds = 60,
  completions = 0,
  pending = 0,
  ackPending = 0,
  ready,
}: Scene): SourceSignals {
  const observations = Array.from({ length: seconds + 1 }, (_, second): Observation => {
    const atMs = second * 1_000;
    const done = completions * second;
    const facts = consumer(atMs, {
      pending,
      ackPending,
      deliveredConsumerSeq: done + ackPending,
      stream: { lastSeq: done + pending + ackPending },
    });
    const heartbeats = workers.map((worker, index) => ({
      atMs,
      heartbeat: beat(`worker-${index + 1}`, worker, second),
    }));
    return observation(atMs, {
      sources: [{ consumer: seen(atMs, facts), heartbeats }],
      workload: seen(atMs, workload({ ready: ready ?? workers.length })),
    });
  });
  return passes(observations, policy).first;
}

describe('capacity per replica with heartbeats', () => {
  it('is slots over the time of a job', () => {
    const { capacity } = play({ workers: [{}, {}] });
    expect(capacity.basis).toBe('heartbeats');
    expect(capacity.slots).toBe(4);
    expect(capacity.jobsPerSecond).toBeCloseTo(8, 0);
  });

  it('is the same when the replicas are half idle', () => {
    expect(play({ workers: [{ busy: 1 }, { busy: 2 }] }).capacity.jobsPerSecond).toBeCloseTo(8, 0);
  });

  it('notices long jobs before the first one ends', () => {
    const { capacity } = play({ workers: [{ slots: 1, jobMs: 600_000 }], seconds: 60 });
    expect(capacity.serviceMs).toMatchObject({ kind: 'known' });
    expect(capacity.jobsPerSecond).toBeLessThan(1 / 15);
    expect(capacity.jobsPerSecond).toBeGreaterThanOrEqual(1 / 60);
  });

  it('blames no more than half of the time on failed attempts', () => {
    const healthy = play({ workers: [{}] }).capacity.jobsPerSecond;
    const failing = play({ workers: [{ failing: 0.99 }] }).capacity.jobsPerSecond;
    expect(failing).toBeCloseTo(healthy / 2, 0);
  });

  it('takes the reported slots before the first job was measured', () => {
    const { capacity } = play({ workers: [{ busy: 0 }] });
    expect(capacity).toMatchObject({ basis: 'prior', slots: 4, jobsPerSecond: 4 });
    expect(capacity.serviceMs.kind).toBe('unknown');
  });

  it('is retained when no worker is heard any more, and utilization is not', () => {
    const atMs = 61_000;
    const last = Array.from({ length: 61 }, (_, second) =>
      observation(second * 1_000, {
        sources: [
          {
            consumer: seen(second * 1_000, consumer(second * 1_000)),
            heartbeats: [{ atMs: second * 1_000, heartbeat: beat('worker-1', {}, second) }],
          },
        ],
      }),
    );
    const { first, signals } = passes([...last, observation(atMs)], policy);
    expect(signals.utilization.kind).toBe('unknown');
    expect(first.capacity).toMatchObject({ basis: 'heartbeats', slots: 4 });
    expect(first.capacity.jobsPerSecond).toBeCloseTo(8, 0);
  });

  it('adds the processes of one replica', () => {
    const shared: Worker = { change: (honest) => ({ ...honest, replica: 'pod-1' }) };
    expect(play({ workers: [shared, shared] }).capacity.slots).toBe(8);
  });
});

describe('a worker that reports nonsense', () => {
  const honest = [{}, {}, {}];
  const insane = (totals: Partial<Heartbeat['totals']>, more: Partial<Heartbeat> = {}): Worker => ({
    change: (beat_) => ({ ...beat_, ...more, totals: { ...beat_.totals, ...totals } }),
  });

  it.each<{ title: string; liar: Worker }>([
    { title: 'claims a billion slots', liar: insane({}, { slots: 1e9 }) },
    {
      title: 'claims a billion busy slots',
      liar: {
        change: (b, s) => ({
          ...b,
          slots: 1e9,
          totals: { ...b.totals, busySlotMs: 1e12 * s, slotMs: 1e12 * s },
        }),
      },
    },
    {
      title: 'counts backwards',
      liar: { change: (b, s) => ({ ...b, totals: { ...b.totals, succeeded: 10_000 - 10 * s } }) },
    },
    {
      title: 'jumps to the largest number and back',
      liar: {
        change: (b, s) => ({
          ...b,
          totals: { ...b.totals, busySlotMs: s % 2 === 0 ? Number.MAX_SAFE_INTEGER : 0 },
        }),
      },
    },
    { title: 'claims no slots at all', liar: insane({}, { slots: 0 }) },
    { title: 'restarts all the time', liar: { change: (b, s) => ({ ...b, startedAtMs: s + 1 }) } },
    { title: 'repeats itself', liar: { change: (b) => ({ ...b, sequence: 1 }) } },
  ])('that $title moves the capacity by little', ({ liar }) => {
    const { capacity } = play({ workers: [...honest, liar] });
    expect(capacity.slots).toBe(4);
    expect(capacity.jobsPerSecond).toBeGreaterThan(6);
    expect(capacity.jobsPerSecond).toBeLessThan(10);
  });

  it('that claims to complete more than the queue shows is not believed while there is a backlog', () => {
    const liar = { jobMs: 1 };
    const { capacity } = play({ workers: [liar, liar], completions: 10, pending: 500, ackPending: 8 });
    expect(capacity.basis).toBe('throughput');
    expect(capacity.jobsPerSecond).toBeCloseTo(5, 0);
  });
});

describe('capacity per replica without heartbeats', () => {
  it.each([
    {
      title: 'is the assumption of the policy before anything was seen',
      scene: { ready: 2 },
      basis: 'prior',
      jobsPerSecond: 2,
    },
    {
      title: 'is completions per ready replica while there is a backlog',
      scene: { ready: 3, completions: 30, pending: 400, ackPending: 6 },
      basis: 'throughput',
      jobsPerSecond: 10,
    },
    {
      title: 'is not concluded from less work than there was capacity for',
      scene: { ready: 3, completions: 3, ackPending: 3 },
      basis: 'prior',
      jobsPerSecond: 2,
    },
    {
      title: 'is at least what replicas were seen to complete',
      scene: { ready: 3, completions: 30, ackPending: 6 },
      basis: 'lowerBound',
      jobsPerSecond: 10,
    },
    {
      title: 'is at least the assumed slots over the time from delivery to ack',
      scene: { ready: 30, completions: 30, ackPending: 6 },
      basis: 'lowerBound',
      jobsPerSecond: 10,
    },
    {
      title: 'is not concluded while max_ack_pending limits deliveries',
      scene: { ready: 3, completions: 3, pending: 400, ackPending: 1_000 },
      basis: 'prior',
      jobsPerSecond: 2,
    },
    {
      title: 'is not zero because nothing completes',
      scene: { ready: 3, completions: 0, pending: 400, ackPending: 6 },
      basis: 'prior',
      jobsPerSecond: 2,
    },
  ])('$title', ({ scene, basis, jobsPerSecond }) => {
    const { capacity } = play(scene);
    expect(capacity.basis).toBe(basis);
    expect(capacity.jobsPerSecond).toBeCloseTo(jobsPerSecond, 0);
  });
});

it('memory stays bounded however many processes are invented', () => {
  const crowd = (second: number): Observation => {
    const atMs = second * 1_000;
    const heartbeats = Array.from({ length: 12_000 }, (_, index) => ({
      atMs,
      heartbeat: beat(`worker-${second}-${index}`, {}, second),
    }));
    return observation(atMs, { sources: [{ consumer: seen(atMs, consumer(atMs)), heartbeats }] });
  };
  const { history } = passes([crowd(0), crowd(1), crowd(2)], policy);
  expect(history.sources[0]?.fleet.workers.size).toBe(10_000);
});
