import { jetstreamManager } from '@nats-io/jetstream';
import type { JetStreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';
import { KubeConfig } from '@kubernetes/client-node';
import { z } from 'zod';
import { definitions } from '#crds/definitions.ts';
import { Api, path } from '../../../operator/platform/kubernetes/api.ts';
import { Transport } from '../../../operator/platform/kubernetes/transport.ts';
import { watchEvents } from '../../../operator/platform/kubernetes/watchStream.ts';
import { until } from '../../builders/until.ts';
import { startApiServer } from '../../tools/apiServer.ts';
import { kubeconfig } from '../../tools/controlPlane.ts';
import { startNatsServer } from '../../tools/natsServer.ts';

const poolsPerNamespace = 100;
const poolsPerStream = 500;
/** One pool in five has a replica at rest, with a pod; the others are at zero. */
const restingEvery = 5;
const requestsAtOnce = 64;
const pullTimeoutMs = 10_000;
const ours = ['apis', 'penstock.dev', 'v1alpha1'];

/** Called with each change of the replicas of a pool's Deployment. */
type OnReplicas = (pool: number, replicas: number) => void;

/** Servers, and as many pools as were asked for, each with its Deployment and its filtered consumer. */
export type Estate = AsyncDisposable & {
  /** Text of a kubeconfig for the administrator. */
  readonly kubeconfig: string;
  readonly pids: { readonly nats: number; readonly apiServer: number };
  /** Adds pools until there are so many. */
  grow(pools: number, say: (line: string) => void): Promise<void>;
  publish(pool: number): void;
  /** Takes all that waits for a pool and acks it. */
  work(pool: number): Promise<void>;
  watchReplicas(onReplicas: OnReplicas, signal: AbortSignal): Promise<void>;
  /** Requests to the JetStream API since the start, and connections, requests and messages of all kinds beside. */
  natsRequests(): Promise<number>;
};

export async function openEstate(): Promise<Estate> {
  // Without controllers no pod comes into being, so that what is measured is the operator alone.
  await using started = new AsyncDisposableStack();
  const apiServer = started.use(await startApiServer({ controllers: false }));
  const nats = started.use(await startNatsServer());
  const config = kubeconfig(apiServer.url, await apiServer.certificate(), apiServer.tokens.admin);
  const client = new KubeConfig();
  client.loadFromString(config);
  const api = new Api(started.use(new Transport(client)));
  const connection = await connect({ servers: nats.url });
  started.defer(() => connection.close());
  const manager = await jetstreamManager(connection);
  await define(api);
  let size = 0;
  const parts = { api, manager, natsUrl: nats.url };
  const all = started.move();
  return {
    kubeconfig: config,
    pids: { nats: nats.pid(), apiServer: apiServer.process.pid() },
    async grow(pools, say) {
      for (let first = size; first < pools; first += poolsPerNamespace) {
        const end = Math.min(pools, first + poolsPerNamespace);
        await add(first, end, parts);
        if (end % 1_000 === 0 || end === pools) say(`${end} pools made`);
      }
      size = Math.max(size, pools);
    },
    publish: (pool) => connection.publish(subjectOf(pool)),
    work: (pool) => work(connection, pool),
    watchReplicas: (onReplicas, signal) => watchReplicas(api, onReplicas, signal),
    natsRequests: () => countRequests(nats.monitorUrl),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

const nameOf = (pool: number): string => `pool-${pool}`;
const namespaceOf = (pool: number): string => `bench-${Math.floor(pool / poolsPerNamespace)}`;
const streamOf = (pool: number): string => `BENCH-${Math.floor(pool / poolsPerStream)}`;
const subjectOf = (pool: number): string => `${streamOf(pool)}.${pool}`;

async function define(api: Api): Promise<void> {
  const where = path('apis', 'apiextensions.k8s.io', 'v1', 'customresourcedefinitions');
  const established = z.object({
    status: z.object({ conditions: z.array(z.object({ type: z.string(), status: z.string() })) }),
  });
  for (const definition of definitions()) {
    await api.call('POST', where, { body: definition });
    await until(`${definition.metadata.name} to be served`, async () => {
      const { status } = established.parse(await api.call('GET', `${where}/${definition.metadata.name}`));
      return status.conditions.some((one) => one.type === 'Established' && one.status === 'True');
    });
  }
}

type Parts = { readonly api: Api; readonly manager: JetStreamManager; readonly natsUrl: string };

/** Pools of one namespace. */
async function add(first: number, end: number, { api, manager, natsUrl }: Parts): Promise<void> {
  const namespace = namespaceOf(first);
  if (first % poolsPerNamespace === 0) {
    const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } };
    await api.call('POST', path('api', 'v1', 'namespaces'), { body });
    const connection = {
      apiVersion: 'penstock.dev/v1alpha1',
      kind: 'NatsConnection',
      metadata: { name: 'nats' },
      spec: { servers: [natsUrl] },
    };
    await api.call('POST', path(...ours, 'namespaces', namespace, 'natsconnections'), { body: connection });
  }
  if (first % poolsPerStream === 0) {
    await manager.streams.add({ name: streamOf(first), subjects: [`${streamOf(first)}.>`] });
  }
  const pools = Array.from({ length: end - first }, (_, index) => first + index);
  await atOnce(pools, async (pool) => {
    await manager.consumers.add(streamOf(pool), {
      durable_name: nameOf(pool),
      ack_policy: 'explicit',
      filter_subject: subjectOf(pool),
    });
    const labels = { app: nameOf(pool) };
    const isResting = pool % restingEvery === 0;
    await api.call('POST', path('apis', 'apps', 'v1', 'namespaces', namespace, 'deployments'), {
      body: deployment(pool, labels, isResting ? 1 : 0),
    });
    if (isResting) await addPod(api, pool, labels);
    await api.call('POST', path(...ours, 'namespaces', namespace, 'workerpools'), {
      body: workerPool(pool, isResting ? 1 : 0),
    });
  });
}

type Labels = { readonly app: string };

function deployment(pool: number, labels: Labels, replicas: number): unknown {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: nameOf(pool), labels },
    spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: podSpec } },
  };
}

const podSpec = {
  containers: [
    {
      name: 'worker',
      image: 'worker:bench',
      env: [{ name: 'PENSTOCK_STREAM', value: 'BENCH' }],
      resources: { requests: { cpu: '100m', memory: '128Mi' } },
    },
  ],
};

/** Ready, as a kubelet would say it. */
async function addPod(api: Api, pool: number, labels: Labels): Promise<void> {
  const pods = path('api', 'v1', 'namespaces', namespaceOf(pool), 'pods');
  const metadata = { name: nameOf(pool), labels };
  await api.call('POST', pods, { body: { apiVersion: 'v1', kind: 'Pod', metadata, spec: podSpec } });
  const lastTransitionTime = new Date().toISOString();
  const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True', lastTransitionTime }] };
  await api.call('PATCH', `${pods}/${nameOf(pool)}/status`, { body: { status } });
}

function workerPool(pool: number, minReplicas: number): unknown {
  return {
    apiVersion: 'penstock.dev/v1alpha1',
    kind: 'WorkerPool',
    metadata: { name: nameOf(pool) },
    spec: {
      scaleTargetRef: { name: nameOf(pool) },
      sources: [{ connection: 'nats', stream: streamOf(pool), consumer: nameOf(pool) }],
      minReplicas,
      maxReplicas: 10,
      zero: { idleSeconds: 5 },
    },
  };
}

async function atOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const worker = async (): Promise<void> => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: requestsAtOnce }, worker));
}

async function work(connection: NatsConnection, pool: number): Promise<void> {
  const next = `$JS.API.CONSUMER.MSG.NEXT.${streamOf(pool)}.${nameOf(pool)}`;
  for (;;) {
    const message = await connection.request(next, JSON.stringify({ batch: 1, no_wait: true }), {
      timeout: pullTimeoutMs,
      // Messages come under their own subject, by which a shared inbox cannot tell whose they are.
      noMux: true,
    });
    if (message.reply === undefined || message.reply === '') return; // A status: nothing is left.
    message.respond('+ACK');
  }
}

const deploymentSchema = z.object({
  metadata: z.object({ name: z.string(), resourceVersion: z.string() }),
  spec: z.object({ replicas: z.number() }),
});
const listSchema = z.object({ metadata: z.object({ resourceVersion: z.string() }) });

async function watchReplicas(api: Api, onReplicas: OnReplicas, signal: AbortSignal): Promise<void> {
  const where = path('apis', 'apps', 'v1', 'deployments');
  const { metadata } = listSchema.parse(await api.call('GET', where, { query: { limit: '1' } }));
  const query = { watch: 'true', resourceVersion: metadata.resourceVersion, timeoutSeconds: '3600' };
  try {
    for await (const { type, object } of watchEvents(await api.stream(where, query, signal), where)) {
      if (type !== 'MODIFIED') continue;
      const { metadata, spec } = deploymentSchema.parse(object);
      onReplicas(Number(metadata.name.slice(metadata.name.indexOf('-') + 1)), spec.replicas);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function countRequests(monitorUrl: string): Promise<number> {
  const answer: unknown = await (await fetch(`${monitorUrl}/jsz`)).json();
  return z.object({ api: z.object({ total: z.number() }) }).parse(answer).api.total;
}
