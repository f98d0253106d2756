import { Logger, run } from 'graphile-worker';
import type { Peer } from './peer.ts';

/** Jobs that it fetches at a time, and those that run at once: what its own benchmark uses. */
const localQueueSize = 500;
const concurrentJobs = 24;

/** Graphile Worker on PostgreSQL, with what makes it fast: a local queue, and completions in batches. */
export const graphileWorker: Peer = async ({ url, handle }) => {
  const runner = await run({
    preset: {
      worker: {
        connectionString: url,
        concurrentJobs,
        maxPoolSize: concurrentJobs + 2,
        localQueue: { size: localQueueSize },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
    taskList: { work: () => handle() },
    noHandleSignals: true,
    logger: new Logger(() => () => undefined),
  });
  return { stop: () => runner.stop() };
};
