import { expect, test } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { openBroker } from '../../../demo/broker.ts';
import { replay } from '../../../demo/producer.ts';
import type { PublishedJob } from '../../../demo/producer.ts';
import { startNatsServer } from '../../tools/natsServer.ts';

const queue = { stream: 'JOBS', consumer: 'workers', deadLetterStream: 'DEAD', maxReplicas: 2, slots: 2 };
const steadyJobs = Array.from({ length: 40 }, (_, index) => ({ atSeconds: index / 20, serviceMs: 1 }));

test('a server that is killed and started again in mid-replay neither loses nor doubles a job', async () => {
  await using server = await startNatsServer();
  await using broker = await openBroker(server.url, queue);
  const published: PublishedJob[] = [];
  const half = Promise.withResolvers<undefined>();
  const replaying = replay(
    steadyJobs,
    broker,
    systemClock,
    (job) => {
      published.push(job);
      if (published.length === steadyJobs.length / 2) half.resolve(undefined);
    },
    new AbortController().signal,
  );
  await half.promise;
  await server.signal('SIGKILL');
  await server.start();
  await replaying;
  expect(new Set(published.map(({ id }) => id)).size).toBe(steadyJobs.length);
  expect(await broker.unresolvedJobs()).toBe(steadyJobs.length);
});

test('stopping early finishes what was begun and begins nothing more', async () => {
  await using server = await startNatsServer();
  await using broker = await openBroker(server.url, queue);
  const published: PublishedJob[] = [];
  const stop = new AbortController();
  const onPublished = (job: PublishedJob): void => {
    published.push(job);
    stop.abort();
  };
  const tomorrow = { atSeconds: 86_400, serviceMs: 1 };
  await replay([{ atSeconds: 0, serviceMs: 1 }, tomorrow], broker, systemClock, onPublished, stop.signal);
  expect(published).toHaveLength(1);
  expect(await broker.unresolvedJobs()).toBe(1);
});
