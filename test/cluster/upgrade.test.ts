import { expect, test } from 'vitest';
import { release } from '../builders/chart.ts';
import { kubectl, operatorRelease } from './suite.ts';
import { createWorld } from './world.ts';
import type { World } from './world.ts';

const { at, what } = operatorRelease;

test('upgrades of both charts leave the replicas alone', async () => {
  await using world = await busyWorld('upgrade');
  const before = world.sizes.length;
  await world.upgrade({ extraEnv: [{ name: 'REVISION', value: '2' }] });
  const values = { ...what.values, podAnnotations: { revision: '2' } };
  await release('upgrade', 'penstock', at, { ...what, values });
  await operatorToBeReady();
  expect(new Set(world.sizes.slice(before - 1).map(({ wanted }) => wanted))).toEqual(new Set([2]));
});

test('without the operator its definitions, pools and workloads stay; installed again it goes on', async () => {
  await using world = await busyWorld('uninstall');
  const before = world.sizes.length;
  await release('uninstall', 'penstock', at);
  await kubectl.run(['wait', '--for=delete', 'deployment/penstock', '--namespace=penstock', '--timeout=60s']);
  try {
    for (const kind of ['workerpools', 'natsconnections']) {
      expect(await kubectl.run(['get', 'customresourcedefinition', `${kind}.penstock.dev`])).toContain(kind);
    }
    expect(await kubectl.run(['get', 'workerpools', `--namespace=${world.namespace}`])).toContain(world.name);
    // Workers need no operator.
    await world.publish(10, 100);
    await world.untilDone();
    expect(new Set(world.sizes.slice(before - 1).map(({ wanted }) => wanted))).toEqual(new Set([2]));
  } finally {
    await release('install', 'penstock', at, what);
    await operatorToBeReady();
  }
  await kubectl.run([
    ...['patch', 'workerpool', world.name, `--namespace=${world.namespace}`, '--type=merge'],
    '--patch={"spec":{"minReplicas":3}}',
  ]);
  await world.untilSize('three ready replicas', ({ ready }) => ready === 3);
});

/** With two replicas, which the operator has asked for. */
async function busyWorld(namespace: string): Promise<World> {
  const world = await createWorld({ namespace, minReplicas: 2, maxReplicas: 3 });
  return world;
}

async function operatorToBeReady(): Promise<void> {
  await kubectl.run(['rollout', 'status', 'deployment/penstock', '--namespace=penstock', '--timeout=180s']);
}
