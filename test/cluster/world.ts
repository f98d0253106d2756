import { jetstreamManager } from '@nats-io/jetstream';
import type { ConsumerInfo } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { openBroker } from '../../demo/broker.ts';
import { checkJobs } from '../../demo/checker.ts';
import type { JobsVerdict } from '../../demo/checker.ts';
import type { JobRecord } from '../../demo/jobLog.ts';
import { openJobStream } from '../../demo/jobStream.ts';
import type { PublishedJob } from '../../demo/producer.ts';
import { release } from '../builders/chart.ts';
import type { Values } from '../builders/chart.ts';
import { until } from '../builders/until.ts';
import { images } from './images.ts';
import { natsUrl, reachNats } from './nats.ts';
import { imageValues, kubectl, suitePlace } from './suite.ts';

/** A size of the Deployment, from the time on that it was seen. */
type Size = { readonly wanted: number; readonly ready: number; readonly atMs: number };

/** A namespace with a queue and a release of the worker chart, as a user would have it. */
export type World = AsyncDisposable & {
  readonly namespace: string;
  /** Of the Deployment and of the WorkerPool. */
  readonly name: string;
  readonly values: Values;
  /** Publishes jobs of this length. */
  publish(count: number, serviceMs: number): Promise<void>;
  /** Everything that was published so far has been worked off. */
  untilDone(timeoutMs?: number): Promise<void>;
  /** Every size since the beginning. */
  readonly sizes: readonly Size[];
  untilSize(what: string, matches: (size: Size) => boolean, timeoutMs?: number): Promise<Size>;
  /** What the handlers have noted. */
  records(): Promise<readonly JobRecord[]>;
  verdict(): Promise<JobsVerdict>;
  consumer(): Promise<ConsumerInfo>;
};

export type WorldOptions = {
  readonly namespace: string;
  readonly maxReplicas: number;
  /** Further fields of the pool's spec. */
  readonly pool?: Values;
  /** Further values of the chart. */
  readonly values?: Values;
};

export async function createWorld({
  namespace,
  maxReplicas,
  pool = {},
  values = {},
}: WorldOptions): Promise<World> {
  await using undo = new AsyncDisposableStack();
  const [stream, consumer] = [namespace.toUpperCase(), 'work'];
  const nats = undo.use(await reachNats(kubectl));
  const queue = { stream, consumer, deadLetterStream: `${stream}-DEAD`, maxReplicas, slots: 1 };
  const broker = undo.use(await openBroker(nats.url, queue));
  const notes = undo.use(await openJobStream(nats.url, `${stream}-NOTES`, `notes.${namespace}`));
  const connection = undo.adopt(await connect({ servers: nats.url }), (opened) => opened.close());
  const manager = await jetstreamManager(connection);

  const chart = {
    image: imageValues(images.generator),
    stream,
    consumer,
    nats: { servers: [natsUrl] },
    settings: {
      PENSTOCK_DEMO_LOG_SUBJECT: `notes.${namespace}`,
      PENSTOCK_DEAD_LETTER_STREAM: queue.deadLetterStream,
    },
    // Many of them share two cores.
    resources: { requests: { cpu: '10m', memory: '64Mi' } },
    pool: { minReplicas: 0, maxReplicas, spec: { objective: { drainSeconds: 10 }, ...pool } },
    ...values,
  };
  const at = { kubeconfig: suitePlace.kubeconfig, namespace };
  await release('install', 'work', at, { chart: 'penstock-worker', values: chart });
  undo.defer(() => kubectl.run(['delete', 'namespace', namespace, '--wait=false']).then(() => undefined));

  const name = 'work-penstock-worker';
  const sizes: Size[] = [];
  undo.use(
    kubectl.follow(
      [
        ...['get', 'deployment', name, `--namespace=${namespace}`, '--watch'],
        '--output=jsonpath={.spec.replicas} {.status.readyReplicas}{"\\n"}',
      ],
      (line) => {
        const [wanted = '', ready = ''] = line.split(' ');
        sizes.push({ wanted: Number(wanted), ready: Number(ready), atMs: Date.now() });
      },
    ),
  );
  await until('the size of the deployment', () => sizes.length > 0);

  const published: PublishedJob[] = [];
  const disposal = undo.move();
  return {
    namespace,
    name,
    values: chart,
    sizes,
    async publish(count, serviceMs) {
      const jobs = Array.from({ length: count }, (_, index) => ({
        id: `job-${published.length + index + 1}`,
        dueAtMs: Date.now(),
      }));
      await Promise.all(jobs.map(({ id }) => broker.publish(id, JSON.stringify({ id, serviceMs }))));
      published.push(...jobs);
    },
    async untilDone(timeoutMs = 120_000) {
      await until(
        `${namespace} to be done`,
        async () => published.length > 0 && (await broker.unresolvedJobs()) === 0,
        timeoutMs,
      );
    },
    untilSize: (what, matches, timeoutMs = 120_000) =>
      until(`${namespace}: ${what}`, () => sizes.slice(-1).find(matches), timeoutMs),
    async records() {
      await notes.readNew();
      return notes.records;
    },
    async verdict() {
      await notes.readNew();
      return checkJobs(published, notes.records, await broker.deadLetters());
    },
    consumer: () => manager.consumers.info(stream, consumer),
    [Symbol.asyncDispose]: () => disposal.disposeAsync(),
  };
}
