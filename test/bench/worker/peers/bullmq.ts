import { Worker } from 'bullmq';
import { Redis } from 'ioredis';
import type { Peer } from './peer.ts';

/** BullMQ on Redis, as its documentation shows it, with as many jobs at once as we have slots. */
export const bullmq: Peer = async ({ url, stream, slots, handle }) => {
  // Its worker waits for jobs in one request without end.
  const connection = new Redis(url, { maxRetriesPerRequest: null });
  const worker = new Worker(
    stream,
    () => {
      handle();
      return Promise.resolve();
    },
    { connection, concurrency: slots },
  );
  await worker.waitUntilReady();
  return {
    async stop() {
      await worker.close();
      connection.disconnect();
    },
  };
};
