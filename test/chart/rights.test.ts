import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { render } from '../builders/chart.ts';
import type { Manifest } from '../builders/chart.ts';
import { applyManifests, createNamespaces } from '../builders/kubernetesApply.ts';
import {
  createDeployment,
  createPool,
  installScaledObjects,
  makePodsReady,
  merge,
  must,
} from '../builders/kubernetesRig.ts';
import { operator } from '../builders/program.ts';
import { until } from '../builders/until.ts';
import { startApiServer } from '../tools/apiServer.ts';
import type { ApiServer } from '../tools/apiServer.ts';
import { kubeconfig } from '../tools/controlPlane.ts';
import { startNatsServer } from '../tools/natsServer.ts';
import type { NatsServer } from '../tools/natsServer.ts';

let nats: NatsServer;
let folder: string;

beforeAll(async () => {
  nats = await startNatsServer();
  folder = await mkdtemp(join(tmpdir(), 'penstock-rights-'));
  const connection = await connect({ servers: nats.url });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: 'JOBS', subjects: ['jobs.>'] });
  await manager.consumers.add('JOBS', { durable_name: 'work', ack_policy: 'explicit' });
  await connection.close();
});
afterAll(async () => {
  await nats[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

type Rule = { readonly apiGroups: string[]; readonly resources: string[]; readonly verbs: string[] };
type Subject = { readonly kind: string; readonly name: string };

/** What a chart's roles allow the operator, in the words of the API server's audit. */
function allowed(manifests: readonly Manifest[]): string[] {
  const bound = manifests
    .filter(({ kind }) => kind === 'RoleBinding' || kind === 'ClusterRoleBinding')
    .map(({ roleRef }) => (roleRef as Subject).name);
  const rules = manifests
    .filter(({ kind, metadata }) => /^(Cluster)?Role$/.test(kind) && bound.includes(metadata.name))
    .flatMap(({ rules }) => rules as Rule[]);
  const calls = rules.flatMap(({ apiGroups, resources, verbs }) =>
    verbs.flatMap((verb) => resources.map((resource) => `${verb} ${apiGroups[0] ?? ''}/${resource}`)),
  );
  return [...new Set(calls)].sort();
}

/** The operator of a test is no pod with a service account, but a user with a token. */
const bindToUser = (manifest: Manifest): Manifest =>
  'subjects' in manifest
    ? { ...manifest, subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'operator' }] }
    : manifest;

const modes = {
  'in one namespace': (place: string) => ({ namespaces: [place] }),
  'in the cluster': () => ({}),
};

test.each(Object.entries(modes))(
  'the chart gives the rights that the operator uses, and no others, %s',
  async (mode, values) => {
    const place = 'media';
    // One for each, as it tells of all calls since its start.
    await using api = await startApiServer();
    await createNamespaces(api, [place]);
    await installScaledObjects(api);
    const manifests = (
      await render(
        'penstock',
        { ...values(place), rbac: { secrets: [{ namespace: place, names: ['login'] }] } },
        place,
      )
    ).filter(({ kind }) => kind === 'CustomResourceDefinition' || kind.includes('Role'));
    expect(await applyManifests(api, manifests.map(bindToUser))).toEqual([]);
    await prepareWork(api, place);

    const token = api.tokens.operator;
    await writeFile(join(folder, place), kubeconfig(api.url, await api.certificate(), token));
    await using program = operator({
      KUBECONFIG: join(folder, place),
      PENSTOCK_NAMESPACES: mode === 'in one namespace' ? place : '',
      PENSTOCK_LEASE_NAMESPACE: place,
      PENSTOCK_LEASE_NAME: 'test-penstock',
      PENSTOCK_HTTP_HOST: '127.0.0.1',
      PENSTOCK_HTTP_PORT: '0',
    });
    await scaleUpAndDown(api, place);
    await until('calls and rights to be the same', async () => {
      expect([...(await api.calls())].sort()).toEqual(allowed(manifests));
      return true;
    });
    program.child.kill('SIGTERM');
    expect(await program.ended, program.stderr()).toBe(0);
  },
);

/** A pool with two replicas, over a connection that logs in. */
async function prepareWork(api: ApiServer, place: string): Promise<void> {
  await must(api, 'POST', `/api/v1/namespaces/${place}/secrets`, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'login', annotations: { 'penstock.dev/nats-servers': '127.0.0.1' } },
    stringData: { token: 'any' },
  });
  await must(api, 'POST', `/apis/penstock.dev/v1alpha1/namespaces/${place}/natsconnections`, {
    apiVersion: 'penstock.dev/v1alpha1',
    kind: 'NatsConnection',
    metadata: { name: 'nats' },
    spec: { servers: [nats.url], token: { secretName: 'login' } },
  });
  await createDeployment(api, place, 'work');
  await createPool(api, place, 'work', {
    sources: [{ connection: 'nats', stream: 'JOBS', consumer: 'work' }],
    minReplicas: 2,
    behavior: { scaleDown: { stabilizationWindowSeconds: 0 } },
  });
}

/** Every kind of call is needed for it: victims are marked on the way down. */
async function scaleUpAndDown(api: ApiServer, place: string): Promise<void> {
  const replicas = async (): Promise<number> => {
    const scale = await must(api, 'GET', `/apis/apps/v1/namespaces/${place}/deployments/work/scale`);
    return (scale as { spec: { replicas?: number } }).spec.replicas ?? 0;
  };
  await until('two replicas', async () => (await replicas()) === 2);
  const pods = `/api/v1/namespaces/${place}/pods`;
  await until(
    'two pods',
    async () => ((await must(api, 'GET', pods)) as { items: unknown[] }).items.length === 2,
  );
  await makePodsReady(api, place);
  const pool = `/apis/penstock.dev/v1alpha1/namespaces/${place}/workerpools/work`;
  await must(api, 'PATCH', pool, { spec: { minReplicas: 1 } }, merge);
  await until('one replica', async () => (await replicas()) === 1);
}
