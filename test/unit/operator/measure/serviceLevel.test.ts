import { describe, expect, it } from 'vitest';
import { heartbeat } from '../../../builders/heartbeat.ts';
import { observation, seen, source, workload } from '../../../builders/observation.ts';
import { passes } from '../../../builders/passes.ts';
import { spec } from '../../../builders/spec.ts';
import type { ServiceLevel } from '../../../../operator/measure/signals.ts';

/** Jobs per bucket: up to 10 s, up to 30 s, up to 60 s, longer. */
type Waits = readonly [short: number, half: number, minute: number, long: number];
const histogram = ([short, half, minute, long]: Waits): number[] => [
  ...[0, 0, 0, 0, 0, 0, short, half, minute, 0, 0, 0, 0, 0, 0, long],
];

/** One look per second at a worker that has counted these waits so far, and began as many jobs as it says. */
function level(totals: readonly Waits[], policy = spec(), claims = 0): ServiceLevel | string {
  const looks = totals.map((waits, index) => {
    const atMs = index * 1_000;
    const started = waits.reduce((sum, count) => sum + count, 0);
    const beat = heartbeat({
      sequence: index + 1,
      waits: histogram(waits).map((count) => count + claims * index),
    });
    const facts = { deliveredConsumerSeq: started, stream: { lastSeq: started } };
    return observation(atMs, {
      sources: [source(atMs, facts, [{ atMs, heartbeat: beat }])],
      workload: seen(atMs, workload({ ready: 1 })),
    });
  });
  const { serviceLevel } = passes(looks, policy).signals;
  return serviceLevel.kind === 'known' ? serviceLevel.value : serviceLevel.reason;
}

describe('the share of jobs that began in time', () => {
  it.each<{
    title: string;
    totals: readonly Waits[];
    policy?: Parameters<typeof spec>[0];
    then: object | string;
  }>([
    { title: 'is not known before a job began', totals: [[0, 0, 0, 0]], then: 'no job has been counted yet' },
    {
      title: 'counts what grew since the first look',
      totals: [
        [50, 0, 0, 7],
        [130, 10, 6, 11],
      ],
      then: { jobs: 100, withinShare: 0.96, objectiveShare: 0.95, withinSeconds: 60, basis: 'heartbeats' },
    },
    {
      title: 'takes a bucket that the bound divides by its part',
      totals: [
        [0, 0, 0, 0],
        [0, 100, 0, 0],
      ],
      policy: { objective: { drainSeconds: 15 } },
      then: { jobs: 100, withinShare: 0.25 },
    },
    {
      title: 'is measured by the bound on the wait, if there is one',
      totals: [
        [0, 0, 0, 0],
        [90, 10, 0, 0],
      ],
      policy: { objective: { wait: { percentile: 80, seconds: 10 } } },
      then: {
        withinShare: 0.9,
        objectiveShare: 0.8,
        withinSeconds: 10,
        budgetLeft: expect.closeTo(0.5, 6) as number,
      },
    },
    {
      title: 'has no budget left beyond its end',
      totals: [
        [0, 0, 0, 0],
        [50, 0, 0, 50],
      ],
      then: { withinShare: 0.5, budgetLeft: 0 },
    },
  ])('$title', ({ totals, policy, then }) => {
    const result = level(totals, spec(policy));
    if (typeof then === 'string') expect(result).toBe(then);
    else expect(result).toMatchObject(then);
  });

  it('is not believed to workers that claim more jobs than were delivered', () => {
    const honest: readonly Waits[] = [
      [0, 0, 0, 0],
      [100, 0, 0, 0],
    ];
    const result = level(honest, spec(), 1e9);
    expect(result).toMatchObject({ jobs: 100, basis: 'estimate' });
  });
});

describe('without heartbeats', () => {
  /** 10 arrive every second; the queue in front of 2 replicas, which complete 10 a second, is so long all the time. */
  const queued = (pending: number): ServiceLevel | string => {
    const looks = [0, 1, 2, 3, 4].map((second) => {
      const atMs = second * 1_000;
      const arrived = 10 * second + pending;
      const facts = {
        pending,
        ackPending: 2,
        deliveredConsumerSeq: 10 * second + 2,
        stream: { lastSeq: arrived + 2 },
      };
      return observation(atMs, {
        sources: [source(atMs, facts)],
        workload: seen(atMs, workload({ ready: 2 })),
      });
    });
    const { serviceLevel } = passes(looks).signals;
    return serviceLevel.kind === 'known' ? serviceLevel.value : serviceLevel.reason;
  };

  it('arrivals wait as long as the queue takes at the rate of completions', () => {
    expect(queued(590)).toMatchObject({ withinShare: 1, basis: 'estimate', jobs: 40 });
    expect(queued(6_500)).toMatchObject({ withinShare: 0, basis: 'estimate', jobs: 40 });
  });
});
