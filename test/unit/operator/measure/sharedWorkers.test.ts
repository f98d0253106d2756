import { describe, expect, it } from 'vitest';
import { sourceDemand, sumDemand } from '../../../../operator/decide/demand.ts';
import { heartbeat } from '../../../builders/heartbeat.ts';
import { consumer, observation, seen, workload } from '../../../builders/observation.ts';
import { passes } from '../../../builders/passes.ts';
import { spec } from '../../../builders/spec.ts';

const policy = spec({ prior: { concurrency: 4, serviceMilliseconds: 500 } });
const replicas = 4;

/** Two minutes of replicas that serve all sources alike; each heartbeat carries the figures of the whole process. */
function demandOf({ sources, load }: { readonly sources: number; readonly load: 'backlog' | 'steady' }): {
  readonly replicas: number;
  readonly bases: readonly string[];
} {
  const busy = load === 'backlog' ? 4 : 2;
  const observations = Array.from({ length: 121 }, (_, second) => {
    const atMs = second * 1_000;
    const jobs = (busy / 0.5) * second;
    const done = (jobs * replicas) / sources;
    const waiting = load === 'backlog' ? 9_600 / sources : 0;
    const facts = consumer(atMs, {
      pending: waiting,
      ackPending: (busy * replicas) / sources,
      deliveredConsumerSeq: done + 16,
      deliveredStreamSeq: done + 16,
      ackFloorStreamSeq: done,
      stream: { lastSeq: done + 16 + waiting, messages: waiting },
    });
    const heartbeats = Array.from({ length: replicas }, (__, index) => ({
      atMs,
      heartbeat: heartbeat({
        worker: `worker-${index + 1}`,
        sequence: second + 1,
        busy,
        oldestRunningMs: 500,
        totals: {
          ...heartbeat().totals,
          deliveries: jobs,
          firstDeliveries: jobs,
          succeeded: jobs,
          busySlotMs: busy * atMs,
          slotMs: 4 * atMs,
        },
        service: { count: jobs, sumMs: jobs * 500, sumSquaresMs2: jobs * 500 ** 2 },
      }),
    }));
    return observation(atMs, {
      sources: Array.from({ length: sources }, () => ({ consumer: seen(atMs, facts), heartbeats })),
      workload: seen(atMs, workload({ ready: replicas })),
    });
  });
  const { signals } = passes(observations, policy);
  const demand = sumDemand(signals.sources.map((source) => sourceDemand(source, policy.objective, 0)));
  return { replicas: demand.replicas, bases: signals.sources.map(({ capacity }) => capacity.basis) };
}

describe('replicas that serve several sources', () => {
  it.each([
    { sources: 2, load: 'backlog' },
    { sources: 8, load: 'backlog' },
    { sources: 2, load: 'steady' },
    { sources: 8, load: 'steady' },
  ] as const)('ask with $sources sources for what one would ask ($load)', ({ sources, load }) => {
    const one = demandOf({ sources: 1, load });
    const several = demandOf({ sources, load });
    // The arrivals alone keep that many replicas busy.
    expect(one.replicas).toBeGreaterThanOrEqual(load === 'backlog' ? replicas : replicas / 2);
    expect(Math.abs(several.replicas - one.replicas)).toBeLessThanOrEqual(1);
    expect(several.bases).toEqual(Array.from({ length: sources }, () => 'heartbeats'));
  });
});
