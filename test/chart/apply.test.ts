import { afterAll, beforeAll, expect, test } from 'vitest';
import { render } from '../builders/chart.ts';
import type { Manifest } from '../builders/chart.ts';
import { applyManifests, createNamespaces } from '../builders/kubernetesApply.ts';
import { startApiServer } from '../tools/apiServer.ts';
import type { ApiServer } from '../tools/apiServer.ts';
import { operatorCombinations, workerCombinations } from './values.ts';

let api: ApiServer;
beforeAll(async () => {
  api = await startApiServer();
  await createNamespaces(api, ['media', 'mail']);
  // The resource definitions come from the chart, too.
  await applyManifests(api, await render('penstock', {}));
});
afterAll(() => api[Symbol.asyncDispose]());

/** Kinds of the Prometheus operator, which is not here. */
const isForeign = ({ apiVersion }: Manifest): boolean => apiVersion.startsWith('monitoring.coreos.com/');

test.each(Object.entries(operatorCombinations))('the operator is accepted with %s', async (_, values) => {
  const manifests = (await render('penstock', values, 'media')).filter((manifest) => !isForeign(manifest));
  expect(await applyManifests(api, manifests)).toEqual([]);
});

test.each(Object.entries(workerCombinations))('the worker is accepted with %s', async (_, values) => {
  const manifests = await render('penstock-worker', values, 'mail');
  expect(
    await applyManifests(
      api,
      manifests.filter((manifest) => !isForeign(manifest)),
    ),
  ).toEqual([]);
});
