import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { release } from '../builders/chart.ts';
import { createNamespaces } from '../builders/kubernetesApply.ts';
import { must } from '../builders/kubernetesRig.ts';
import { startApiServer } from '../tools/apiServer.ts';
import type { ApiServer } from '../tools/apiServer.ts';
import { kubeconfig } from '../tools/controlPlane.ts';
import { workerValues } from './values.ts';

let api: ApiServer;
let folder: string;

beforeAll(async () => {
  api = await startApiServer();
  await createNamespaces(api, ['penstock', 'media']);
  folder = await mkdtemp(join(tmpdir(), 'penstock-release-'));
  await writeFile(join(folder, 'kubeconfig'), kubeconfig(api.url, await api.certificate(), api.tokens.admin));
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const at = (namespace: string): { kubeconfig: string; namespace: string } => ({
  kubeconfig: join(folder, 'kubeconfig'),
  namespace,
});

type Deployment = {
  spec: {
    replicas: number;
    template: { spec: { containers: { env: { name: string; value?: string }[] }[] } };
  };
};
const deploymentPath = '/apis/apps/v1/namespaces/media/deployments/thumbnails-penstock-worker';
const deployment = async (): Promise<Deployment> => (await must(api, 'GET', deploymentPath)) as Deployment;

test('upgrades leave the replicas to the pool, and uninstalling leaves pools and workloads', async () => {
  await release('install', 'penstock', at('penstock'), { chart: 'penstock', values: {} });
  const worker = { chart: 'penstock-worker', values: workerValues } as const;
  await release('install', 'thumbnails', at('media'), worker);

  // What the operator does.
  const scale = `${deploymentPath}/scale`;
  const before = (await must(api, 'GET', scale)) as Record<string, unknown>;
  await must(api, 'PUT', `${scale}?fieldManager=penstock`, { ...before, spec: { replicas: 7 } });
  await release('upgrade', 'thumbnails', at('media'), { ...worker, values: { ...workerValues, slots: 4 } });
  await release('upgrade', 'penstock', at('penstock'), { chart: 'penstock', values: { replicaCount: 1 } });
  const { spec } = await deployment();
  expect(spec.replicas).toBe(7);
  expect(spec.template.spec.containers[0]?.env).toContainEqual({ name: 'PENSTOCK_SLOTS', value: '4' });

  await release('uninstall', 'penstock', at('penstock'));
  const pools = '/apis/penstock.dev/v1alpha1/namespaces/media/workerpools';
  expect(((await must(api, 'GET', pools)) as { items: unknown[] }).items).toHaveLength(1);
  expect((await deployment()).spec.replicas).toBe(7);
  const { status } = await api.ask('GET', '/apis/apps/v1/namespaces/penstock/deployments/penstock');
  expect(status).toBe(404);

  // A second installation finds the definitions that the first has left.
  await release('install', 'penstock', at('penstock'), { chart: 'penstock', values: {} });
  expect(((await must(api, 'GET', pools)) as { items: unknown[] }).items).toHaveLength(1);
});
