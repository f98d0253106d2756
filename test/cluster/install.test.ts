import { expect, test } from 'vitest';
import { release } from '../builders/chart.ts';
import { kubectl, kubernetes, operatorRelease } from './suite.ts';
import { createWorld } from './world.ts';

type Named = { metadata: { name: string } };

test('the operator chart is installed: its own test passes, one of two replicas leads', async () => {
  await release('test', 'penstock', operatorRelease.at);
  const lease = await kubernetes.get<{ spec: { holderIdentity: string } }>(
    '/apis/coordination.k8s.io/v1/namespaces/penstock/leases/penstock',
  );
  const pods = await kubernetes.get<{ items: Named[] }>(
    '/api/v1/namespaces/penstock/pods?labelSelector=app.kubernetes.io/name=penstock',
  );
  expect(pods.items).toHaveLength(2);
  const leaders = pods.items.filter(({ metadata }) =>
    lease.spec.holderIdentity.startsWith(`${metadata.name}_`),
  );
  expect(leaders).toHaveLength(1);
  for (const kind of ['networkpolicy', 'poddisruptionbudget', 'servicemonitor', 'prometheusrule']) {
    expect(await kubectl.run(['get', kind, 'penstock', '--namespace=penstock', '--output=name'])).toContain(
      'penstock',
    );
  }
});

test('a release of the worker chart works off what is published, and goes back to zero', async () => {
  await using world = await createWorld({
    namespace: 'install',
    maxReplicas: 3,
    pool: { zero: { idleSeconds: 2 } },
  });
  await world.publish(20, 100);
  await world.untilDone();
  await world.untilSize('zero replicas', ({ wanted, ready }) => wanted === 0 && ready === 0);
  expect(await world.verdict()).toMatchObject({ completed: 20, lost: 0, runTwice: 0 });
});
