import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { followPool, missingImage, reportOf } from '../../../../demo/kubernetes/poolReports.ts';
import type { Pod } from '../../../../demo/kubernetes/poolReports.ts';

const ready: Pod = { metadata: {}, status: { conditions: [{ type: 'Ready', status: 'True' }] } };
const waiting = (reason: string): Pod => ({
  metadata: {},
  status: { containerStatuses: [{ state: { waiting: { reason } } }] },
});
const unpulled: Pod = {
  metadata: {},
  status: {
    containerStatuses: [
      { image: 'a/worker:2', state: { waiting: { reason: 'ErrImagePull', message: 'manifest unknown' } } },
    ],
  },
};
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
  'an image with a wrong name is failing': { pod: waiting('InvalidImageName'), state: 'failing' },
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

test.each(['ErrImagePull', 'ImagePullBackOff', 'ErrImageNeverPull', 'InvalidImageName'])(
  '%s of the only replicas there are says that the image is missing',
  (reason) => {
    expect(missingImage([waiting('ContainerCreating'), waiting(reason)])).toContain(`(${reason}: `);
  },
);

test('a missing image is told with its name, what the kubelet says, and the option', () => {
  expect(missingImage([unpulled])).toMatch(
    /image a\/worker:2 \(ErrImagePull: manifest unknown\).*--worker-image/,
  );
});

test.each([
  ['none is there', []],
  ['one is starting', [waiting('ContainerCreating')]],
  ['one fails for another reason', [waiting('CrashLoopBackOff')]],
  ['another is ready, so that the image can be had', [unpulled, ready]],
])('no image is missing when %s', (_, pods) => {
  expect(missingImage(pods)).toBeUndefined();
});

test('a look ends the demo when the image is missing', async () => {
  const server = createServer((request, response) => {
    const isPool = request.url?.includes('/workerpools/') === true;
    response.end(JSON.stringify(isPool ? {} : { items: [unpulled] }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo; // TCP, as listened.
    const pool = followPool(`http://127.0.0.1:${port}`, 'demo', 'tokens', 'tokens');
    await expect(pool.look()).rejects.toMatchObject({
      code: 'ImageMissing',
      message: expect.stringContaining('a/worker:2') as string,
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
