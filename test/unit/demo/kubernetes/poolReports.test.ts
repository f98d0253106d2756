import { expect, test } from 'vitest';
import { reportOf } from '../../../../demo/kubernetes/poolReports.ts';
import type { Pod } from '../../../../demo/kubernetes/poolReports.ts';

const ready: Pod = { metadata: {}, status: { conditions: [{ type: 'Ready', status: 'True' }] } };
const waiting = (reason: string): Pod => ({
  metadata: {},
  status: { containerStatuses: [{ state: { waiting: { reason } } }] },
});
const at = new Date('2026-01-01T00:00:00Z');

const cases: Readonly<Record<string, { pod: Pod; state: string }>> = {
  'ready is ready': { pod: ready, state: 'ready' },
  'deleted is terminating, also while it is ready': {
    pod: { ...ready, metadata: { deletionTimestamp: at.toISOString() } },
    state: 'terminating',
  },
  'without a status it is starting': { pod: { metadata: {} }, state: 'starting' },
  'a container that is made is starting': { pod: waiting('ContainerCreating'), state: 'starting' },
  'a container that fails is failing': { pod: waiting('CrashLoopBackOff'), state: 'failing' },
  'an image that is missing is failing': { pod: waiting('ErrImageNeverPull'), state: 'failing' },
};

test.each(Object.entries(cases))('%s', (_, { pod, state }) => {
  const none = { desired: null, ready: 0, starting: 0, terminating: 0, failing: 0 };
  expect(reportOf({}, [pod], false, at).replicas).toEqual({ ...none, [state]: 1 });
});

test('figures of the status are taken, and what it does not say is null', () => {
  const status = { desiredReplicas: 3, backlogMessages: 40, reason: 'Balanced', message: 'enough' };
  expect(reportOf(status, [ready], true, at)).toMatchObject({
    time: '2026-01-01T00:00:00.000Z',
    replicas: { desired: 3 },
    signals: { backlogMessages: 40, utilization: null },
    decision: { reason: 'Balanced', message: 'enough' },
    outcome: { kind: 'scaled' },
  });
  expect(reportOf({}, [], false, at)).toMatchObject({ signals: { backlogMessages: null }, outcome: null });
});
