import { Logger, run } from 'graphile-worker';
import type { Peer, PeerTask } from './peer.ts';

/** What its own benchmark uses; each job that runs may hold a connection. */
const concurrentJobs = 24;

/** Graphile Worker on PostgreSQL, as it is by default but for the number of jobs at once. */
export const graphileWorker: Peer = (task) => start(task, {});

/** With what its documentation has for throughput: jobs fetched by the hundreds, and completions in batches. */
export const graphileBatching: Peer = (task) =>
  start(task, { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 });

async function start({ url, handle }: PeerTask, more: Partial<GraphileConfig.WorkerOptions>) {
  const runner = await run({
    preset: {
      worker: { connectionString: url, concurrentJobs, maxPoolSize: concurrentJobs + 2, ...more },
    },
    taskList: { work: () => handle() },
    noHandleSignals: true,
    logger: new Logger(() => () => undefined),
  });
  return { stop: () => runner.stop() };
}
