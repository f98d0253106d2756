import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createConnection,
  createDeployment,
  createNamespace,
  createPool,
  installCrds,
  installScaledObjects,
  kubernetesRig,
  makePodsReady,
  merge,
  must,
} from '../../builders/kubernetesRig.ts';
import type { KubernetesRig } from '../../builders/kubernetesRig.ts';
import { until } from '../../builders/until.ts';
import { platformContract } from '../../contract/platform.ts';
import type { PlatformUnderTest } from '../../contract/platform.ts';
import { startApiProxy } from '../../tools/apiProxy.ts';
import { startApiServer } from '../../tools/apiServer.ts';
import type { ApiServer } from '../../tools/apiServer.ts';

let api: ApiServer;

beforeAll(async () => {
  api = await startApiServer();
  await installCrds(api);
});
afterAll(() => api[Symbol.asyncDispose]());

type Subject = PlatformUnderTest & KubernetesRig & { readonly namespace: string };

async function create(): Promise<Subject> {
  const namespace = await createNamespace(api);
  await createDeployment(api, namespace, 'work');
  await createConnection(api, namespace, 'nats://nats.example:4222');
  await createPool(api, namespace, 'work');
  const rig = await kubernetesRig(api, namespace);
  const pool = await until('the pool', () => rig.platform.pools()[0]);
  const ref = { ...pool.spec.scaleTargetRef, name: 'missing' };
  return {
    ...rig,
    namespace,
    pool,
    poolWithoutTarget: { ...pool, spec: { ...pool.spec, scaleTargetRef: ref } },
    tick: () => void makePodsReady(api, namespace),
    async [Symbol.asyncDispose]() {
      await rig[Symbol.asyncDispose]();
      await api.ask('DELETE', `/apis/apps/v1/namespaces/${namespace}/deployments/work`);
    },
  };
}

const deploymentPath = (namespace: string): string =>
  `/apis/apps/v1/namespaces/${namespace}/deployments/work`;

async function desired(namespace: string): Promise<number> {
  const { spec } = (await must(api, 'GET', `${deploymentPath(namespace)}/scale`)) as {
    spec: { replicas?: number };
  };
  return spec.replicas ?? 0;
}

describe('contract', () => platformContract(create));

describe('replicas', () => {
  const readyPods = async (subject: Subject, count: number): Promise<string[]> => {
    await subject.platform.scale(subject.pool, {
      from: await desired(subject.namespace),
      to: count,
      victims: [],
    });
    return until(`${count} ready pods`, async () => {
      await makePodsReady(api, subject.namespace);
      const seen = await subject.platform.workload(subject.pool);
      if (seen.kind !== 'seen') return false;
      const ready = seen.value.replicas.filter(({ state }) => state === 'ready');
      return ready.length === count && ready.map(({ name }) => name);
    });
  };
  const annotations = async (namespace: string, pod: string): Promise<Record<string, string>> => {
    const body = await must(api, 'GET', `/api/v1/namespaces/${namespace}/pods/${pod}`);
    return (body as { metadata: { annotations?: Record<string, string> } }).metadata.annotations ?? {};
  };

  test('a mark is taken from a pod that should not go any more', async () => {
    await using subject = await create();
    const [first = '', second = ''] = await readyPods(subject, 3);
    const marked = {
      'penstock.dev/scale-down-victim': 'true',
      'controller.kubernetes.io/pod-deletion-cost': '-1000',
    };
    const path = `/api/v1/namespaces/${subject.namespace}/pods/${first}`;
    await must(api, 'PATCH', path, { metadata: { annotations: marked } }, merge);
    await until(
      'the mark to be seen',
      () => subject.collections.pods.get(`${subject.namespace}/${first}`)?.isVictim,
    );
    await subject.platform.scale(subject.pool, { from: 3, to: 2, victims: [second] });
    await until(
      'the second pod to go',
      async () => (await api.ask('GET', path.replace(first, second))).status === 404,
    );
    expect(await annotations(subject.namespace, first)).toEqual({});
  });

  test('a deletion cost that somebody else wrote stays', async () => {
    await using subject = await create();
    const [first = '', second = ''] = await readyPods(subject, 2);
    const foreign = { 'controller.kubernetes.io/pod-deletion-cost': '5' };
    const path = `/api/v1/namespaces/${subject.namespace}/pods/${first}`;
    await must(api, 'PATCH', path, { metadata: { annotations: foreign } }, merge);
    await until(
      'the cost to be seen',
      () => subject.collections.pods.get(`${subject.namespace}/${first}`)?.hasForeignCost,
    );
    await subject.platform.scale(subject.pool, { from: 2, to: 1, victims: [first] });
    await until(
      'the other pod to go',
      async () => (await api.ask('GET', path.replace(first, second))).status === 404,
    );
    expect(await annotations(subject.namespace, first)).toEqual(foreign);
  });

  const states: Record<string, { status: unknown; state: string; message: RegExp | undefined }> = {
    'no node has room': {
      status: {
        phase: 'Pending',
        conditions: [
          { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes: cpu' },
        ],
      },
      state: 'unschedulable',
      message: /0\/3 nodes: cpu/,
    },
    'its image cannot be pulled': {
      status: {
        phase: 'Pending',
        containerStatuses: [
          {
            name: 'worker',
            ready: false,
            restartCount: 0,
            image: 'x',
            imageID: '',
            state: { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } },
          },
        ],
      },
      state: 'failing',
      message: /ImagePullBackOff: no such image/,
    },
    'it runs and is not ready yet': {
      status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'False' }] },
      state: 'starting',
      message: undefined,
    },
  };
  test.each(Object.entries(states))('a pod of which %s is seen so', async (_, { status, state, message }) => {
    await using subject = await create();
    await subject.platform.scale(subject.pool, { from: 0, to: 1, victims: [] });
    const name = await until('a pod', async () => {
      const seen = await subject.platform.workload(subject.pool);
      return seen.kind === 'seen' && seen.value.replicas[0]?.name;
    });
    await must(
      api,
      'PATCH',
      `/api/v1/namespaces/${subject.namespace}/pods/${name}/status`,
      { status },
      merge,
    );
    const replica = await until(state, async () => {
      const seen = await subject.platform.workload(subject.pool);
      const first = seen.kind === 'seen' ? seen.value.replicas[0] : undefined;
      return first?.state === state && first;
    });
    if (message === undefined) expect(replica.message).toBeUndefined();
    else expect(replica.message).toMatch(message);
  });

  test('a write that comes between our read and our write is a conflict, and theirs stands', async () => {
    await using subject = await create();
    await must(api, 'PATCH', `${deploymentPath(subject.namespace)}/scale`, { spec: { replicas: 4 } }, merge);
    expect(await subject.platform.scale(subject.pool, { from: 0, to: 2, victims: [] })).toMatchObject({
      kind: 'conflict',
    });
    expect(await desired(subject.namespace)).toBe(4);
  });

  test('what we wrote carries our name', async () => {
    await using subject = await create();
    await subject.platform.scale(subject.pool, { from: 0, to: 1, victims: [] });
    const body = await must(api, 'GET', deploymentPath(subject.namespace));
    const { metadata } = body as { metadata: { managedFields: { manager: string; subresource?: string }[] } };
    expect(metadata.managedFields).toContainEqual(
      expect.objectContaining({ manager: 'penstock', subresource: 'scale' }),
    );
  });

  test('a StatefulSet is scaled the same way; a kind without a scale is named', async () => {
    await using subject = await create();
    const labels = { app: 'set' };
    await must(api, 'POST', `/apis/apps/v1/namespaces/${subject.namespace}/statefulsets`, {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name: 'set' },
      spec: {
        replicas: 0,
        serviceName: 'set',
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'worker', image: 'worker:test' }] } },
      },
    });
    const of = (kind: string): typeof subject.pool => ({
      ...subject.pool,
      spec: { ...subject.pool.spec, scaleTargetRef: { apiVersion: 'apps/v1', kind, name: 'set' } },
    });
    expect(await subject.platform.scale(of('StatefulSet'), { from: 0, to: 1, victims: [] })).toMatchObject({
      kind: 'scaled',
    });
    expect(await subject.platform.workload(of('DaemonSet'))).toMatchObject({
      kind: 'absent',
      message: expect.stringMatching(/apps\/v1 has no kind DaemonSet with a scale/) as string,
    });
  });
});

describe('pools', () => {
  test('of two on one target the older is worked on, and the other says why it is not', async () => {
    await using subject = await create();
    // Creation times have a resolution of one second.
    await until('another second', () => Math.floor(Date.now() / 1_000) % 60 !== secondOf(subject));
    await createPool(api, subject.namespace, 'second', { scaleTargetRef: { name: 'work' } });
    const [refusal] = await until('the refusal', () => {
      const refusals = subject.platform.refusals();
      return refusals.length === 1 && refusals;
    });
    expect(refusal).toMatchObject({ reason: 'TargetConflict', pool: { name: 'second' } });
    expect(refusal?.message).toMatch(/Deployment work is scaled by WorkerPool work; remove one of them/);
    expect(subject.platform.pools().map(({ key }) => key)).toEqual([subject.pool.key]);
  });

  test('one whose pods cannot be listed for an error of the API server says so, and blames no role', async () => {
    const namespace = await createNamespace(api);
    await createConnection(api, namespace, 'nats://nats.example:4222');
    await createPool(api, namespace, 'work');
    await using proxy = await startApiProxy(api);
    proxy.setFault((request, response) => {
      if (request.url?.includes(`/${namespace}/pods`) !== true) return false;
      response.writeHead(500).end(JSON.stringify({ reason: 'InternalError', message: 'out of order' }));
      return true;
    });
    await using rig = await kubernetesRig(proxy, namespace);
    const refusal = await until('the refusal', () => rig.platform.refusals()[0]);
    expect(refusal.reason).toBe('CannotWatch');
    expect(refusal.message).toMatch(
      /^the pods here cannot be watched: .*out of order; they are asked for again/,
    );
    expect(refusal.message).not.toContain('role');
    proxy.setFault(() => false);
    await until('the pool to be worked on', () => rig.platform.pools().length === 1);
  });

  test('one whose target another autoscaler scales is left alone, until that is gone', async () => {
    await using subject = await create();
    const path = `/apis/autoscaling/v2/namespaces/${subject.namespace}/horizontalpodautoscalers`;
    await must(api, 'POST', path, {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'hpa' },
      spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'work' }, maxReplicas: 3 },
    });
    await until('the pool to step back', () => subject.platform.pools().length === 0);
    expect(subject.platform.refusals()[0]?.message).toMatch(/HorizontalPodAutoscaler hpa/);
    await must(api, 'DELETE', `${path}/hpa`);
    await until('the pool to be back', () => subject.platform.pools().length === 1);
  });

  test('one whose target KEDA scales says which ScaledObject that is', async () => {
    await using own = await startApiServer();
    await installCrds(own);
    await installScaledObjects(own);
    const namespace = await createNamespace(own);
    await createPool(own, namespace, 'work');
    await using rig = await kubernetesRig(own, namespace);
    await until('the pool', () => rig.platform.pools().length === 1);
    const path = `/apis/keda.sh/v1alpha1/namespaces/${namespace}/scaledobjects`;
    await must(own, 'POST', path, {
      apiVersion: 'keda.sh/v1alpha1',
      kind: 'ScaledObject',
      metadata: { name: 'queue' },
      spec: { scaleTargetRef: { name: 'work' }, triggers: [] },
    });
    await until('the pool to step back', () => rig.platform.pools().length === 0);
    expect(rig.platform.refusals()).toMatchObject([
      { reason: 'TargetConflict', message: expect.stringMatching(/ScaledObject queue of KEDA/) as string },
    ]);
    // Without the kind there are none of it.
    const kinds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    await must(own, 'DELETE', `${kinds}/scaledobjects.keda.sh`);
    await until('the pool to be back', () => rig.platform.pools().length === 1);
  });

  test('a change is taken over, and a pool that is deleted is gone', async () => {
    await using subject = await create();
    const path = `/apis/penstock.dev/v1alpha1/namespaces/${subject.namespace}/workerpools/work`;
    await must(api, 'PATCH', path, { spec: { maxReplicas: 17 } }, merge);
    await until('the new maximum', () => subject.platform.pools()[0]?.spec.maxReplicas === 17);
    await must(api, 'DELETE', path);
    await until('no pool', () => subject.platform.pools().length === 0);
    expect(await desired(subject.namespace)).toBe(0);
  });

  test('one that is deleted while it is passed over is not scaled any more', async () => {
    await using subject = await create();
    await must(api, 'DELETE', `/apis/penstock.dev/v1alpha1/namespaces/${subject.namespace}/workerpools/work`);
    await until('no pool', () => subject.platform.pools().length === 0);
    expect(await subject.platform.scale(subject.pool, { from: 0, to: 3, victims: [] })).toEqual({
      kind: 'failed',
      message: 'the pool is gone',
    });
    expect(await desired(subject.namespace)).toBe(0);
  });

  test('what a request has told counts until the watch knows it', async () => {
    await using subject = await create();
    const seen = async (): Promise<number> => {
      const workload = await subject.platform.workload(subject.pool);
      return workload.kind === 'seen' ? workload.value.desired : -1;
    };
    expect(await seen()).toBe(0);
    await subject.platform.scale(subject.pool, { from: 0, to: 2, victims: [] });
    // At once, whether or not the watch has told of it.
    expect(await seen()).toBe(2);
  });

  test('the cache outlives a restart of the API server', async () => {
    await using own = await startApiServer();
    await installCrds(own);
    const namespace = await createNamespace(own);
    await using rig = await kubernetesRig(own, namespace);
    await own.process.signal('SIGKILL');
    await own.process.start();
    await createPool(own, namespace, 'late');
    await until('the pool that was made after the restart', () => rig.platform.pools().length === 1, 60_000);
  });
});

function secondOf(subject: Subject): number {
  const createdMs = subject.platform.resource(subject.pool)?.createdMs ?? 0;
  return Math.floor(createdMs / 1_000) % 60;
}
