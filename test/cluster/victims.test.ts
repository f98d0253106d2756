import { expect, test } from 'vitest';
import type { JobRecord } from '../../demo/jobLog.ts';
import { deletedPodsIn } from './audit.ts';
import { createWorld } from './world.ts';

test('when fewer replicas are needed while long jobs run, the idle ones go', async () => {
  await using world = await createWorld({
    namespace: 'victims',
    maxReplicas: 6,
    pool: { objective: { drainSeconds: 5 }, zero: { idleSeconds: 1 } },
  });
  await world.publish(3, 20_000);
  await world.publish(30, 1_000);
  await world.untilDone();
  await world.untilSize('zero replicas', ({ wanted, ready }) => wanted === 0 && ready === 0);

  const records = await world.records();
  const deleted = await deletedPodsIn(world.namespace);
  const inTheMiddle = deleted.filter(({ atMs }) => runningAt(records, atMs).length > 0);
  expect(inTheMiddle.length).toBeGreaterThan(0);
  for (const { pod, atMs } of inTheMiddle) {
    expect(runningAt(records, atMs).filter(({ worker }) => worker.startsWith(`${pod}-`))).toEqual([]);
  }
  expect(await world.verdict()).toMatchObject({ completed: 33, lost: 0, redelivered: 0, runTwice: 0 });
  expect((await world.consumer()).delivered.consumer_seq).toBe(33);
});

/** Starts of the jobs that ran at this time. */
function runningAt(records: readonly JobRecord[], atMs: number): JobRecord[] {
  const hasEnded = ({ id, worker }: JobRecord): boolean =>
    records.some((r) => r.event === 'end' && r.id === id && r.worker === worker && r.atMs <= atMs);
  return records.filter((record) => record.event === 'start' && record.atMs <= atMs && !hasEnded(record));
}
