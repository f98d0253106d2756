import { describe, expect, test } from 'vitest';
import { workerPoolSpecSchema } from '#crds/worker-pool.ts';
import { decide } from '../../../../operator/decide/decide.ts';
import { initialMemory } from '../../../../operator/decide/memory.ts';
import type { Signals } from '../../../../operator/measure/signals.ts';
import { unknown } from '../../../../operator/measure/signals.ts';
import { reportPass } from '../../../../operator/report/passReport.ts';
import type { PassReport } from '../../../../operator/report/passReport.ts';
import { signals, sourceSignals, workloadSignals } from '../../../builders/signals.ts';

const spec = workerPoolSpecSchema.parse({
  scaleTargetRef: { name: 'work' },
  sources: [{ connection: 'nats', stream: 'JOBS', consumer: 'work' }],
  maxReplicas: 9,
});

function report(given: Signals): PassReport {
  const { decision } = decide({ spec, signals: given, memory: initialMemory(0), nowMs: 0 });
  return reportPass({ key: 'default/work', spec }, given, decision, undefined, 0);
}

const readiness = ({ conditions }: PassReport): unknown => conditions[0];

describe('the summary of the conditions', () => {
  test('is Ready when sources and target are seen', () => {
    expect(readiness(report(signals()))).toMatchObject({ type: 'Ready', status: 'True' });
  });

  test('names the consumer that is missing, and shows no figure for it', () => {
    const missing = sourceSignals({
      presence: { kind: 'absent', message: 'consumer not found' },
      backlogMessages: unknown('missing'),
    });
    const made = report(signals({ sources: [missing] }));
    expect(readiness(made)).toMatchObject({ type: 'Ready', status: 'False', reason: 'ConsumerMissing' });
    expect(made.signals.backlogMessages).toBeNull();
  });

  test('names the target that is missing', () => {
    const made = report(signals({ workload: { kind: 'absent', message: 'no such workload' } }));
    expect(readiness(made)).toMatchObject({ status: 'False', reason: 'TargetMissing' });
    expect(made.replicas).toEqual({
      desired: null,
      ready: null,
      starting: null,
      terminating: null,
      failing: null,
    });
  });
});

test('a report has the time of the wall and counts replicas without room among the failing', () => {
  const made = report(
    signals({ workload: workloadSignals({ desired: 4, ready: 1, failing: 1, unschedulable: 2 }) }),
  );
  expect(made.time).toBe('1970-01-01T00:00:00.000Z');
  expect(made.replicas).toMatchObject({ desired: 4, ready: 1, failing: 3 });
});
