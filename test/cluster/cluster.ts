import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { programPath } from '../tools/serverProcess.ts';
import { createControlGroups, removeControlGroups } from './controlGroups.ts';
import { startControlPlane } from './controlPlane.ts';
import { ensureImages } from './images.ts';
import { importImage, startContainerd, startNode } from './node.ts';
import type { Place } from './place.ts';
import { ensurePrerequisites } from './prerequisites.ts';
import { createSandbox, destroySandbox, firstProcess, programsWithin } from './sandbox.ts';

/** What runs in a cluster beside its pods. */
const components = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'containerd',
  'kubelet',
  'kube-proxy',
  'coredns',
] as const;

/** Programs of ours that it needs, by the variables that name them. */
const programs = [
  'PENSTOCK_ETCD',
  'PENSTOCK_KUBE_APISERVER',
  'PENSTOCK_KUBE_CONTROLLER_MANAGER',
  'PENSTOCK_KUBE_SCHEDULER',
  'PENSTOCK_KUBELET',
  'PENSTOCK_KUBE_PROXY',
  'PENSTOCK_COREDNS',
  'PENSTOCK_PAUSE',
] as const;

export type Say = (line: string) => void;

/**
 * A Kubernetes of one node, with the images of this repository. Nothing is done when it runs already.
 *
 * @throws PenstockError `PrerequisitesMissing`; `ClusterFailed`, with the end of the log that tells why. What was begun
 *   by then is left to be looked at, and to be taken away by `bringDown`.
 */
export async function bringUp(place: Place, say: Say): Promise<void> {
  if (readStatus(place).state === 'running') {
    say(`the cluster ${place.name} runs already`);
    return;
  }
  await bringDown(place);
  const step = steps(say);
  await step('prerequisites', () => ensurePrerequisites(say));
  const archives = await step('images', ensureImages);
  await mkdir(place.folder, { recursive: true });
  await step('namespaces', async () => {
    await createControlGroups(place);
    await createSandbox(place, programs.map(programPath));
  });
  const api = await step('control plane', () => startControlPlane(place));
  await step('container runtime', () => startContainerd(place));
  await step('import of the images', async () => {
    for (const archive of archives) await importImage(place, archive);
  });
  await step('node', () => startNode(place, api));
  await writeFile(completed(place), '');
}

/** Its last act in `bringUp`. */
const completed = (place: Place): string => join(place.folder, 'completed');

/** One line per step, when it has ended. */
function steps(say: Say): <T>(name: string, work: () => T | Promise<T>) => Promise<T> {
  return async (name, work) => {
    const startedAtMs = performance.now();
    const result = await work();
    say(`${name} (${((performance.now() - startedAtMs) / 1_000).toFixed(1)} s)`);
    return result;
  };
}

export type ClusterStatus = {
  readonly name: string;
  /** `broken`: begun, and not completed or not whole any more; `up` and `down` both help. */
  readonly state: 'running' | 'broken' | 'absent';
  readonly folder: string;
  readonly kubeconfig: string;
  /** Process ids, as seen from outside; null for what does not run. */
  readonly components: Readonly<Record<string, number | null>>;
};

export function readStatus(place: Place): ClusterStatus {
  const running = programsWithin(place);
  const isWhole = existsSync(completed(place)) && components.every((name) => running.has(name));
  const isThere = existsSync(place.folder) || firstProcess(place) !== undefined;
  return {
    name: place.name,
    state: isWhole ? 'running' : isThere ? 'broken' : 'absent',
    folder: place.folder,
    kubeconfig: place.kubeconfig,
    components: Object.fromEntries(components.map((name) => [name, running.get(name) ?? null])),
  };
}

/** Takes away all that a cluster has left, whatever state it is in. */
export async function bringDown(place: Place): Promise<void> {
  await destroySandbox(place);
  await removeControlGroups(place);
  await rm(place.folder, { recursive: true, force: true, maxRetries: 3 });
}
