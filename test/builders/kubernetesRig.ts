import { KubeConfig } from '@kubernetes/client-node';
import { systemClock } from '#common/clock.ts';
import { createLogger } from '#common/log.ts';
import { definitions } from '#crds/definitions.ts';
import { Api } from '../../operator/platform/kubernetes/api.ts';
import { collector, createCollections } from '../../operator/platform/kubernetes/collections.ts';
import type { Collections } from '../../operator/platform/kubernetes/collections.ts';
import { KubernetesPlatform } from '../../operator/platform/kubernetes/kubernetes.ts';
import { TargetWatches } from '../../operator/platform/kubernetes/targetWatches.ts';
import { Transport } from '../../operator/platform/kubernetes/transport.ts';
import type { ApiClient } from '../tools/apiClient.ts';
import type { ApiServer } from '../tools/apiServer.ts';
import { kubeconfig } from '../tools/controlPlane.ts';
import { until } from './until.ts';

const tools = { clock: systemClock, log: createLogger('test', 'silent'), random: Math.random };

export const merge = 'application/merge-patch+json';

export async function installCrds(api: ApiClient): Promise<void> {
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  for (const definition of definitions()) {
    await must(api, 'POST', path, definition);
    await until(`${definition.metadata.name} to be served`, async () => {
      const { body } = await api.ask('GET', `${path}/${definition.metadata.name}`);
      const conditions = (body as { status?: { conditions?: { type: string; status: string }[] } }).status
        ?.conditions;
      return conditions?.some(({ type, status }) => type === 'Established' && status === 'True');
    });
  }
}

/** KEDA's kind, as far as we read it. */
export async function installScaledObjects(api: ApiClient): Promise<void> {
  const names = { plural: 'scaledobjects', singular: 'scaledobject', kind: 'ScaledObject' };
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  await must(api, 'POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'scaledobjects.keda.sh' },
    spec: {
      group: 'keda.sh',
      scope: 'Namespaced',
      names,
      versions: [{ name: 'v1alpha1', served: true, storage: true, schema }],
    },
  });
  const path = '/apis/keda.sh/v1alpha1/scaledobjects';
  await until('scaled objects to be served', async () => (await api.ask('GET', path)).status === 200);
}

/** One request that must succeed; the answer's body. */
export async function must(
  api: ApiClient,
  method: string,
  path: string,
  body?: unknown,
  contentType?: string,
): Promise<unknown> {
  const answer = await api.ask(method, path, body, contentType);
  if (answer.status >= 300)
    throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

let namespaces = 0;

/** A namespace of its own for a test, as nothing here deletes namespaces. */
export async function createNamespace(api: ApiClient): Promise<string> {
  namespaces += 1;
  const name = `test-${process.pid}-${namespaces}`;
  await must(api, 'POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  return name;
}

export async function createDeployment(
  api: ApiClient,
  namespace: string,
  name: string,
  replicas = 0,
): Promise<void> {
  const labels = { app: name };
  await must(api, 'POST', `/apis/apps/v1/namespaces/${namespace}/deployments`, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'worker', image: 'worker:test' }] } },
    },
  });
}

export async function createPool(
  api: ApiClient,
  namespace: string,
  name: string,
  spec: Record<string, unknown> = {},
): Promise<void> {
  await must(api, 'POST', `/apis/penstock.dev/v1alpha1/namespaces/${namespace}/workerpools`, {
    apiVersion: 'penstock.dev/v1alpha1',
    kind: 'WorkerPool',
    metadata: { name },
    spec: {
      scaleTargetRef: { name },
      sources: [{ connection: 'nats', stream: 'JOBS', consumer: name }],
      maxReplicas: 9,
      ...spec,
    },
  });
}

export async function createConnection(
  api: ApiClient,
  namespace: string,
  url: string,
  spec: Record<string, unknown> = {},
  name = 'nats',
): Promise<void> {
  await must(api, 'POST', `/apis/penstock.dev/v1alpha1/namespaces/${namespace}/natsconnections`, {
    apiVersion: 'penstock.dev/v1alpha1',
    kind: 'NatsConnection',
    metadata: { name },
    spec: { servers: [url], ...spec },
  });
}

type PodList = {
  items: { metadata: { name: string }; status: { conditions?: { type: string; status: string }[] } }[];
};

/** Does what scheduler and kubelet would do: every pod that was not yet is running and ready. */
export async function makePodsReady(api: ApiClient, namespace: string): Promise<void> {
  const { items } = (await must(api, 'GET', `/api/v1/namespaces/${namespace}/pods`)) as PodList;
  const waiting = items.filter(
    ({ status }) => !status.conditions?.some((c) => c.type === 'Ready' && c.status === 'True'),
  );
  const lastTransitionTime = new Date().toISOString();
  const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True', lastTransitionTime }] };
  for (const { metadata } of waiting) {
    // It may be gone already.
    await api.ask('PATCH', `/api/v1/namespaces/${namespace}/pods/${metadata.name}/status`, { status }, merge);
  }
}

/** An API server, or what stands before one. */
type Reachable = Pick<ApiServer, 'url' | 'certificate' | 'tokens'>;

async function clientConfig(api: Reachable, token = api.tokens.admin): Promise<KubeConfig> {
  const config = new KubeConfig();
  config.loadFromString(kubeconfig(api.url, await api.certificate(), token));
  return config;
}

export type KubernetesRig = AsyncDisposable & {
  readonly platform: KubernetesPlatform;
  readonly collections: Collections;
};

/** The platform as the operator uses it, looking at one namespace. */
export async function kubernetesRig(api: Reachable, namespace: string): Promise<KubernetesRig> {
  const transport = new Transport(await clientConfig(api));
  const client = new Api(transport);
  const collect = collector(client, [namespace], tools);
  const collections = createCollections(collect);
  const stop = new AbortController();
  const running = Promise.all(Object.values(collections).map((collection) => collection.run(stop.signal)));
  await Promise.all(Object.values(collections).map((collection) => collection.tried()));
  return {
    platform: new KubernetesPlatform({
      api: client,
      collections,
      watches: new TargetWatches(collect, stop.signal),
      clock: systemClock,
      allowedHosts: [],
      mayWrite: () => true,
    }),
    collections,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
      await transport[Symbol.asyncDispose]();
    },
  };
}
