import { jetstreamManager } from '@nats-io/jetstream';
import type { ConsumerInfo } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { WorkerPoolStatus } from '#crds/worker-pool-status.ts';
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
import { imageValues, kubectl, kubernetes, natsNamespace, suitePlace } from './suite.ts';

/** A size of the Deployment, from the time on that it was seen. */
type Size = { readonly wanted: number; readonly ready: number; readonly atMs: number };

/** A namespace with a queue and a release of the worker chart, as a user would have it; at rest when it is made. */
export type World = AsyncDisposable & {
  readonly namespace: string;
  /** Of the Deployment and of the WorkerPool. */
  readonly name: string;
  /** Upgrades the release with these values beside its first ones, and waits until its pods are of the new revision. */
  upgrade(values: Values): Promise<void>;
  /** Names of the pods that are not being deleted. */
  pods(): Promise<string[]>;
  /** Of the pool. */
  status(): Promise<WorkerPoolStatus>;
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

type Pool = { readonly status?: WorkerPoolStatus };
type Pods = { readonly items: { metadata: { name: string; deletionTimestamp?: string } }[] };

export type WorldOptions = {
  readonly namespace: string;
  /** Default 0. */
  readonly minReplicas?: number;
  readonly maxReplicas: number;
  /** Further fields of the pool's spec. */
  readonly pool?: Values;
  /** Further values of the chart. */
  readonly values?: Values;
};

export async function createWorld({
  namespace,
  minReplicas = 0,
  maxReplicas,
  pool = {},
  values = {},
}: WorldOptions): Promise<World> {
  await using undo = new AsyncDisposableStack();
  const [stream, consumer] = [namespace.toUpperCase(), 'work'];
  const nats = undo.use(await reachNats(kubectl, natsNamespace));
  const queue = { stream, consumer, deadLetterStream: `${stream}-DEAD`, maxReplicas, slots: 1 };
  const broker = undo.use(await openBroker(nats.url, queue));
  const notes = undo.use(await openJobStream(nats.url, `${stream}-NOTES`, `notes.${namespace}`));
  const connection = undo.adopt(await connect({ servers: nats.url }), (opened) => opened.close());
  const manager = await jetstreamManager(connection);

  const chart = {
    image: imageValues(images.demo),
    stream,
    consumer,
    nats: { servers: [natsUrl(natsNamespace)] },
    settings: {
      PENSTOCK_DEMO_LOG_SUBJECT: `notes.${namespace}`,
      PENSTOCK_DEAD_LETTER_STREAM: queue.deadLetterStream,
    },
    // Many of them share two cores.
    resources: { requests: { cpu: '10m', memory: '64Mi' } },
    pool: {
      minReplicas,
      maxReplicas,
      spec: { objective: { drainSeconds: 10 }, zero: { idleSeconds: 2 }, ...pool },
    },
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
  const listPods = async (): Promise<Pods['items']> =>
    (await kubernetes.get<Pods>(`/api/v1/namespaces/${namespace}/pods`)).items;
  const untilSize: World['untilSize'] = (what, matches, timeoutMs = 120_000) =>
    until(`${namespace}: ${what}`, () => sizes.slice(-1).find(matches), timeoutMs);
  // A Deployment without the field begins with one.
  await untilSize('its floor', ({ wanted, ready }) => wanted === minReplicas && ready === minReplicas);
  // Those that are on their way out still take jobs for a moment.
  await until('no more pods than that', async () => (await listPods()).length === minReplicas);

  const published: PublishedJob[] = [];
  const disposal = undo.move();
  return {
    namespace,
    name,
    sizes,
    async upgrade(further) {
      await release('upgrade', 'work', at, { chart: 'penstock-worker', values: { ...chart, ...further } });
      await kubectl.run([
        'rollout',
        'status',
        `deployment/${name}`,
        `--namespace=${namespace}`,
        '--timeout=180s',
      ]);
    },
    async pods() {
      const staying = (await listPods()).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
      return staying.map(({ metadata }) => metadata.name);
    },
    async status() {
      const pools = `/apis/penstock.dev/v1alpha1/namespaces/${namespace}/workerpools`;
      return (await kubernetes.get<Pool>(`${pools}/${name}`)).status ?? {};
    },
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
        500,
      );
    },
    untilSize,
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
