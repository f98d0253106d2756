import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { msToSeconds } from '#common/units.ts';
import { scalersIn } from './audit.ts';
import { createWorld } from './world.ts';

test.concurrent(
  'below activationMessages it stays at zero; above, it takes what it may, and goes back',
  async () => {
    await using world = await createWorld({
      namespace: 'activation',
      maxReplicas: 2,
      pool: { zero: { activationMessages: 15, idleSeconds: 2 } },
    });
    const before = world.sizes.length;
    await world.publish(10, 200);
    await sleep(60_000);
    expect(world.sizes.slice(before).filter(({ wanted }) => wanted > 0)).toEqual([]);
    expect(await world.records()).toEqual([]);

    await world.publish(300, 200);
    await world.untilSize('two ready replicas', ({ ready }) => ready === 2);
    await world.untilDone();
    await world.untilSize('zero replicas', ({ wanted, ready }) => wanted === 0 && ready === 0);
    expect(Math.max(...world.sizes.map(({ wanted }) => wanted))).toBe(2);
    expect(await world.verdict()).toMatchObject({
      published: 310,
      completed: 310,
      lost: 0,
      redelivered: 0,
      runTwice: 0,
    });
    expect((await world.consumer()).delivered.consumer_seq).toBe(310);
    expect(await scalersIn(world.namespace)).toEqual(['system:serviceaccount:penstock:penstock']);
  },
);

test.concurrent('with maxWaitSeconds nothing waits longer for the first replica', async () => {
  const maxWaitSeconds = 10;
  await using world = await createWorld({
    namespace: 'max-wait',
    maxReplicas: 2,
    pool: { zero: { activationMessages: 15, maxWaitSeconds, idleSeconds: 2 } },
  });
  await world.publish(10, 200);
  const publishedAtMs = Date.now();
  const { atMs } = await world.untilSize('a first replica', ({ wanted }) => wanted > 0);
  // Not before, and no more than some looks at the pool later.
  expect(msToSeconds(atMs - publishedAtMs)).toBeGreaterThan(maxWaitSeconds - 2);
  expect(msToSeconds(atMs - publishedAtMs)).toBeLessThan(maxWaitSeconds + 5);
  await world.untilDone();
  expect(await world.verdict()).toMatchObject({ completed: 10, lost: 0, runTwice: 0 });
});
