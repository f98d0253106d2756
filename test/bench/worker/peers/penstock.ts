import { createLogger } from '#common/log.ts';
import { runWorker } from '../../../../worker/index.ts';
import type { Handler } from '../../../../worker/index.ts';
import type { Peer, PeerTask } from './peer.ts';

/** Our runtime as it is deployed: leases, time limits, heartbeats, metrics, watchdogs. */
export const penstock: Peer = (task) => run(task, () => task.handle());

/** The same with a handler that returns a promise, as most do. */
export const penstockAsync: Peer = (task) =>
  run(task, () => {
    task.handle();
    return Promise.resolve();
  });

async function run({ url, stream, consumer, slots, window }: PeerTask, handler: Handler) {
  const worker = await runWorker(
    {
      stream,
      consumer,
      nats: { servers: [url] },
      slots,
      prefetch: window - slots,
      http: { host: '127.0.0.1', port: 0 },
      logger: createLogger('worker', 'warn', 2),
    },
    handler,
  );
  return {
    async stop() {
      worker.stop();
      await worker.done;
    },
  };
}
