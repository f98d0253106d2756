import type { PassReport } from '../../operator/report/passReport.ts';

/** A report of a pool with one ready replica that has nothing to do; the overrides win. */
export function passReport(overrides: Partial<PassReport> = {}): PassReport {
  return {
    time: '2026-01-02T03:04:05.000Z',
    pool: 'default/work',
    replicas: { desired: 1, ready: 1, starting: 0, terminating: 0, failing: 0 },
    signals: {
      backlogMessages: 0,
      arrivalsPerSecond: 0,
      completionsPerSecond: 0,
      utilization: 0,
      serviceSeconds: null,
      capacityPerReplica: 1,
      startSeconds: null,
      withinShare: null,
      budgetLeft: null,
    },
    decision: {
      kind: 'hold',
      from: 1,
      to: 1,
      recommended: 1,
      reason: 'Balanced',
      message: 'nothing to do',
      limitedBy: [],
    },
    outcome: null,
    conditions: [{ type: 'Ready', status: 'True', reason: 'Ready', message: 'sources and target are seen' }],
    ...overrides,
  };
}
