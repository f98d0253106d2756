import type { ApiClient } from '../tools/apiClient.ts';
import type { Manifest } from './chart.ts';
import { must } from './kubernetesRig.ts';
import { until } from './until.ts';

export async function createNamespaces(api: ApiClient, names: readonly string[]): Promise<void> {
  for (const name of names) {
    await must(api, 'POST', '/api/v1/namespaces', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name },
    });
  }
}

/**
 * Applies manifests as `helm install` does: on the server's side, an unknown field being a mistake. Returns when the
 * server knows the kinds that they define.
 *
 * @returns what was refused, one line each.
 */
export async function applyManifests(api: ApiClient, manifests: readonly Manifest[]): Promise<string[]> {
  const refusals: string[] = [];
  for (const manifest of inOrder(manifests)) {
    const { kind, metadata } = manifest;
    const path = `${await collectionOf(api, manifest)}/${metadata.name}`;
    const query = 'fieldManager=test&force=true&fieldValidation=Strict';
    const { status, body } = await api.ask(
      'PATCH',
      `${path}?${query}`,
      manifest,
      'application/apply-patch+yaml',
    );
    if (status >= 300) refusals.push(`${kind} ${metadata.name}: ${JSON.stringify(body)}`);
  }
  return refusals;
}

/** Definitions first, as others are of their kind. */
const inOrder = (manifests: readonly Manifest[]): Manifest[] =>
  [...manifests].sort((a, b) => Number(isDefinition(b)) - Number(isDefinition(a)));

const isDefinition = ({ kind }: Manifest): boolean => kind === 'CustomResourceDefinition';

type Resources = { resources: { name: string; kind: string; namespaced: boolean }[] };

/** A kind that was defined a moment ago may not be served yet. */
async function collectionOf(api: ApiClient, { apiVersion, kind, metadata }: Manifest): Promise<string> {
  const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const found = await until(`${apiVersion} ${kind} to be served`, async () => {
    const { resources } = (await must(api, 'GET', group)) as Resources;
    return resources.find((resource) => resource.kind === kind && !resource.name.includes('/'));
  });
  return found.namespaced
    ? `${group}/namespaces/${metadata.namespace ?? 'default'}/${found.name}`
    : `${group}/${found.name}`;
}
