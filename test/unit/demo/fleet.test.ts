import { expect, test } from 'vitest';
import { existingReplicas, measureFleet } from '../../../demo/fleet.ts';
import type { PassReport } from '../../../operator/report/passReport.ts';

type Replicas = PassReport['replicas'];

function report(atSeconds: number, replicas: Partial<Replicas>, scaled = false): PassReport {
  return {
    time: new Date(atSeconds * 1_000).toISOString(),
    pool: 'default/demo',
    replicas: { desired: 0, ready: 0, starting: 0, terminating: 0, failing: 0, ...replicas },
    signals: {
      backlogMessages: null,
      arrivalsPerSecond: null,
      completionsPerSecond: null,
      utilization: null,
      serviceSeconds: null,
      capacityPerReplica: null,
      startSeconds: null,
      withinShare: null,
      budgetLeft: null,
    },
    decision: {
      kind: scaled ? 'scale' : 'hold',
      from: null,
      to: null,
      recommended: null,
      reason: 'Test',
      message: '',
      limitedBy: [],
    },
    outcome: scaled ? { kind: 'scaled', message: '' } : null,
    conditions: [],
  };
}

test('replicas cost from their start to their end, whatever they do', () => {
  const usage = measureFleet([
    report(0, {}),
    report(1, { starting: 2 }, true),
    report(3, { ready: 2 }),
    report(4, { ready: 1, terminating: 1 }, true),
    report(5.5, { ready: 1 }),
    report(6, {}),
  ]);
  expect(usage).toEqual({ replicaSeconds: 2 * 2 + 2 + 2 * 1.5 + 0.5, peakReplicas: 2, scaleActions: 2 });
});

test('no report is no cost', () => {
  expect(measureFleet([])).toEqual({ replicaSeconds: 0, peakReplicas: 0, scaleActions: 0 });
});

test('replicas that could not be counted are unknown, not none', () => {
  expect(existingReplicas(report(0, { ready: 3, starting: null }))).toBeUndefined();
  expect(existingReplicas(report(0, { ready: 3, failing: 1 }))).toBe(4);
});
