import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startNatsCluster } from '../../tools/natsServer.ts';
import type { NatsCluster } from '../../tools/natsServer.ts';
import { Queue, startWorker, until } from './harness.ts';

let cluster: NatsCluster;
beforeAll(async () => {
  cluster = await startNatsCluster(3);
});
afterAll(() => cluster[Symbol.asyncDispose]());

describe('in a cluster of three servers', () => {
  test('a consumer leader that steps down is noticed at once, and nothing is lost', async () => {
    await using queue = await createReplicated();
    const seen = new Set<string>();
    let lastMs = performance.now();
    let longestGapMs = 0;
    await using worker = await startWorker(queue.options({ slots: 64 }), (job) => {
      const nowMs = performance.now();
      longestGapMs = Math.max(longestGapMs, nowMs - lastMs);
      lastMs = nowMs;
      seen.add(new TextDecoder().decode(job.data));
    });
    const silences: number[] = [];
    let published = 0;
    for (let round = 0; round < 5; round += 1) {
      const leader = (await queue.info()).cluster?.leader;
      longestGapMs = 0;
      lastMs = performance.now();
      const subject = `$JS.API.CONSUMER.LEADER.STEPDOWN.${queue.stream}.${queue.consumer}`;
      const reply = await queue.connection.request(subject, '', { timeout: 5_000 });
      expect(reply.json()).toMatchObject({ success: true });
      // Steady arrivals, so that a gap is the worker's silence.
      for (let n = 0; n < 100; n += 1) await queue.js.publish(`${queue.stream}.job`, `${(published += 1)}`);
      await until(async () => {
        const now = (await queue.info().catch(() => undefined))?.cluster?.leader;
        return now !== undefined && now !== '' && now !== leader;
      });
      await until(() => seen.size === published);
      silences.push(Math.round(longestGapMs));
    }
    const { counters } = worker.stats();
    console.log(`silence at a consumer step-down, milliseconds: ${silences.join(', ')}`);
    expect(counters.voidedPulls).toBeGreaterThanOrEqual(5);
    // No step-down had to wait for missed heartbeats.
    expect(counters.watchdogRepulls).toBe(0);
    await until(() => queue.isDone());
  });

  test('the loss of the server that leads the consumer and holds the connection loses no job', async () => {
    await using queue = await createReplicated();
    const seen = new Set<string>();
    await using worker = await startWorker(queue.options({ slots: 8 }), (job) => {
      seen.add(new TextDecoder().decode(job.data));
    });
    await queue.publish(200);
    await until(() => seen.size === 200);
    const leader = (await queue.info()).cluster?.leader;
    const victim = cluster.servers.find(({ name }) => name === leader);
    if (victim === undefined) throw new Error(`no server called ${leader}`);
    await victim.signal('SIGKILL');
    let published = 200;
    while (published < 300) {
      const ack = await queue.js
        .publish(`${queue.stream}.job`, `${published}`, { msgID: `${published}` })
        .catch(() => undefined);
      if (ack !== undefined) published += 1;
    }
    await until(() => seen.size === 300);
    expect(worker.stats().state).toBe('running');
    await victim.start();
  });
});

/** A cluster that has just come up may have no leader for its own bookkeeping yet. */
async function createReplicated(): Promise<Queue> {
  for (;;) {
    try {
      return await Queue.create(cluster.url, { replicas: 3 });
    } catch (error) {
      if (
        !(error instanceof Error) ||
        !/timeout|no responders|no suitable peers|not available/i.test(error.message)
      )
        throw error;
    }
  }
}
