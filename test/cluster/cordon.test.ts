import { expect, test } from 'vitest';
import { until } from '../builders/until.ts';
import { nodeName } from './place.ts';
import { kubectl } from './suite.ts';
import { createWorld } from './world.ts';

test('while no node takes its pods a pool says Unschedulable, and asks for no more of them, however much arrives', async () => {
  await using world = await createWorld({ namespace: 'cordon', minReplicas: 1, maxReplicas: 20 });
  {
    await using _closed = await cordonNode();
    await world.publish(60, 1_000);
    await until('the pool to say it', async () => {
      const { conditions = [] } = await world.status();
      return conditions.some(({ type, status }) => type === 'Unschedulable' && status === 'True');
    });
    const asked = world.sizes.at(-1)?.wanted ?? 0;
    const seen = world.sizes.length;
    await world.publish(150, 1_000);
    await until('the pool to see more work', async () => ((await world.status()).backlogMessages ?? 0) > 100);
    const { recommendedReplicas = 0 } = await world.status();
    expect(recommendedReplicas).toBeGreaterThan(asked);
    expect(world.sizes.slice(seen).filter(({ wanted }) => wanted > asked)).toEqual([]);
  }
  await world.untilSize('more replicas once there is room', ({ ready }) => ready > 2);
  await world.untilDone();
  expect(await world.verdict()).toMatchObject({ completed: 210, lost: 0, redelivered: 0, runTwice: 0 });
});

/** Nothing is scheduled until disposal; what runs goes on. */
async function cordonNode(): Promise<AsyncDisposable> {
  await kubectl.run(['cordon', nodeName]);
  return { [Symbol.asyncDispose]: () => kubectl.run(['uncordon', nodeName]).then(() => undefined) };
}
