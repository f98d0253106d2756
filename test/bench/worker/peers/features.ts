import { createLogger } from '#common/log.ts';
import { runBatchWorker, runWorker } from '../../../../worker/index.ts';
import type { Handler, Job, RunningWorker, WorkerOptions } from '../../../../worker/index.ts';
import type { Peer, PeerTask } from './peer.ts';

/** Each feature of the worker alone, set so that it holds nothing back: what is left is its price. */
const featureOptions = {
  'all features off': {},
  'keyed lanes, 1,000 keys': { key: (job: Job) => `${job.sequence % 1_000}`, ordered: true },
  'rate of the worker': { rate: { perSecond: 1_000_000, burst: 100_000 } },
  'rate per key, 1,000 keys': {
    key: (job: Job) => `${job.sequence % 1_000}`,
    keyRate: { perSecond: 1_000_000, burst: 100_000 },
  },
  'shed by age': { overload: 'shed', maxAgeMs: 3_600_000 },
  weights: { weight: () => 1 },
  'adaptive slots': { slots: 128, maxSlots: 256 },
  'retry budget': { retryBudget: {} },
  breaker: { breaker: {} },
  'confirmed acks': { confirmAcks: true },
} as const satisfies Record<string, Partial<WorkerOptions>>;

const quiet = (task: PeerTask): WorkerOptions => ({
  stream: task.stream,
  consumer: task.consumer,
  nats: { servers: [task.url] },
  slots: task.slots,
  prefetch: task.window - task.slots,
  http: { host: '127.0.0.1', port: 0 },
  logger: createLogger('worker', 'warn', 2),
});

const stopping = (worker: RunningWorker): { stop(): Promise<void> } => ({
  async stop() {
    worker.stop();
    await worker.done;
  },
});

const single =
  (options: Partial<WorkerOptions>): Peer =>
  async (task) =>
    stopping(await runWorker({ ...quiet(task), ...options }, () => task.handle()));

const calling =
  (options: Partial<WorkerOptions>, toHandler: (task: PeerTask) => Handler): Peer =>
  async (task) =>
    stopping(await runWorker({ ...quiet(task), ...options }, toHandler(task)));

const batches =
  (size: number): Peer =>
  async (task) => {
    const options = { ...quiet(task), slots: 2, prefetch: 2 * size, batch: { size, waitMs: 50 } };
    return stopping(
      await runBatchWorker(options, (jobs) => {
        jobs.forEach(() => task.handle());
      }),
    );
  };

const nothing = (): undefined => undefined;

/** Stream and subject of what the jobs of a stream publish. */
export const targetOf = (stream: string): string => `${stream}_NEXT`;

export type FeatureName =
  | keyof typeof featureOptions
  | 'async handler'
  | 'a named limit'
  | 'state of slots'
  | 'single flight, a key for each job'
  | 'single flight, one key'
  | 'a message published for each job'
  | 'the set of done jobs'
  | 'batches of 100'
  | 'batches of 1,000';

/** The first is what the others are compared with; the asynchronous ones are to be compared with `async handler`. */
export const featurePeers: Readonly<Record<FeatureName, Peer>> = {
  ...(Object.fromEntries(
    Object.entries(featureOptions).map(([name, options]) => [name, single(options)]),
  ) as Record<keyof typeof featureOptions, Peer>), // The entries of a constant object.
  'async handler': calling({}, (task) => async () => {
    task.handle();
    await Promise.resolve();
  }),
  'a named limit': calling({ limits: { database: 1_000 } }, (task) => async (_, context) => {
    using _permit = await context.limit('database');
    task.handle();
  }),
  'state of slots': calling({ slotState: { build: () => 1 } }, (task) => async (_, context) => {
    await context.slotState();
    task.handle();
  }),
  'single flight, a key for each job': calling({}, (task) => async (job, context) => {
    await context.singleFlight(`${job.sequence}`, nothing);
    task.handle();
  }),
  'single flight, one key': calling({}, (task) => async (_, context) => {
    await context.singleFlight('the same', nothing);
    task.handle();
  }),
  'a message published for each job': calling({}, (task) => async (job, context) => {
    await context.publish({ subject: targetOf(task.stream), data: job.data });
    task.handle();
  }),
  'the set of done jobs': calling({ dedupe: { bucket: 'FEATURES_DONE' } }, (task) => async () => {
    task.handle();
    await Promise.resolve();
  }),
  'batches of 100': batches(100),
  'batches of 1,000': batches(1_000),
};
