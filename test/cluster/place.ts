import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where a cluster is, on this machine; nothing of it is anywhere else but in `/sys/fs/cgroup`. */
export type Place = {
  readonly name: string;
  /** Everything that the cluster writes. */
  readonly folder: string;
  /** In the command line of its first processes, which are known by it. */
  readonly mark: string;
  /** Of all its pods, in each hierarchy. */
  readonly cgroup: string;
  /** For clients on this machine: the API server through a port of the loopback interface. */
  readonly kubeconfig: string;
};

const clusters = fileURLToPath(new URL('../../.cache/clusters', import.meta.url));

export function placeOf(name: string): Place {
  const folder = join(clusters, name);
  const hash = createHash('sha256').update(folder).digest('hex').slice(0, 8);
  return {
    name,
    folder,
    mark: `penstock-cluster:${folder}`,
    cgroup: `/penstock-${name}-${hash}`,
    kubeconfig: join(folder, 'kubeconfig'),
  };
}

/** Where its own processes see the folder: a short path, whatever that of the repository is. */
export const inside = '/run/cluster';
/** Where they see the pinned programs. */
export const programs = '/run/programs';

/** The node's address, that of the bridge that pods are on. Nothing outside the cluster's own network has it. */
export const nodeAddress = '10.244.0.1';
export const podRange = '10.244.0.0/24';
export const nodeName = 'node';
export const apiPort = 6_443;
export const clusterDomain = 'cluster.local';
