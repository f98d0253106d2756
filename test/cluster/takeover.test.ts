import { expect, test } from 'vitest';
import { until } from '../builders/until.ts';
import { killProcess } from './kill.ts';
import { kubectl, kubernetes } from './suite.ts';
import { createWorld } from './world.ts';

type Lease = { spec: { holderIdentity: string; leaseTransitions: number } };

test('when the leading operator is killed another process takes over, and no pool is scaled down meanwhile', async () => {
  await using world = await createWorld({ namespace: 'takeover', maxReplicas: 3 });
  // More than three replicas work off in the time that the takeover takes.
  await world.publish(180, 1_000);
  await world.untilSize('three ready replicas', ({ ready }) => ready === 3);
  const before = await lease();
  const leader = before.spec.holderIdentity.split('_')[0] ?? '';
  const killed = world.sizes.length;
  await killProcess(leader, 'penstock');
  // The other replica, or the killed one after its restart: both wait until the lease has run out.
  const after = await until('another leader', async () => {
    const now = await lease();
    return now.spec.holderIdentity !== before.spec.holderIdentity && now;
  });
  expect(after.spec.leaseTransitions).toBe(before.spec.leaseTransitions + 1);
  expect((await world.consumer()).num_pending).toBeGreaterThan(0);
  expect(Math.min(...world.sizes.slice(killed - 1).map(({ wanted }) => wanted))).toBe(3);

  await world.untilDone();
  await world.untilSize('zero replicas, by the new leader', ({ wanted }) => wanted === 0);
  expect(await world.verdict()).toMatchObject({ completed: 180, lost: 0, redelivered: 0, runTwice: 0 });
  await kubectl.run(['rollout', 'status', 'deployment/penstock', '--namespace=penstock', '--timeout=120s']);
});

const lease = (): Promise<Lease> =>
  kubernetes.get<Lease>('/apis/coordination.k8s.io/v1/namespaces/penstock/leases/penstock');
