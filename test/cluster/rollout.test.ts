import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createWorld } from './world.ts';
import type { World } from './world.ts';

test('a rolling update of the workers under load loses nothing and runs nothing twice', async () => {
  await using world = await createWorld({
    namespace: 'rollout',
    minReplicas: 2,
    maxReplicas: 3,
  });
  const before = await world.pods();
  const load = startLoad(world);
  await world.upgrade({ extraEnv: [{ name: 'REVISION', value: '2' }] });
  await load[Symbol.asyncDispose]();
  await world.untilDone();

  const after = await world.pods();
  expect(before.filter((name) => after.includes(name))).toEqual([]);
  const { published, ...verdict } = await world.verdict();
  expect(verdict).toMatchObject({ completed: published, lost: 0, redelivered: 0, runTwice: 0 });
  // Both revisions have worked: it happened under load.
  const workers = (await world.records()).map(({ worker }) => worker);
  for (const pods of [before, after]) {
    expect(workers.some((worker) => pods.some((pod) => worker.startsWith(`${pod}-`)))).toBe(true);
  }
});

/** Publishes what keeps two replicas busy, until disposal. */
function startLoad(world: World): AsyncDisposable {
  const stop = new AbortController();
  const publishing = (async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await world.publish(2, 300);
      await sleep(350);
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await publishing;
    },
  };
}
