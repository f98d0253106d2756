import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { apiClient } from '../tools/apiClient.ts';
import type { ApiClient } from '../tools/apiClient.ts';
import { apiServerArgs, etcdArgs, kubeconfig, writeApiServerFiles } from '../tools/controlPlane.ts';
import { openPort } from './access.ts';
import { apiPort, inside, nodeAddress, nodeName } from './place.ts';
import type { Place } from './place.ts';
import { startWithin } from './sandbox.ts';

/** Who asks the API server, with the groups that its own roles are bound to. */
const users = {
  admin: ['system:masters'],
  'system:kube-controller-manager': [],
  'system:kube-scheduler': [],
  'system:kube-proxy': [],
  [`system:node:${nodeName}`]: ['system:nodes'],
} as const;
export type UserName = keyof typeof users;

const folder = `${inside}/control-plane`;
const apiUrl = `https://${nodeAddress}:${apiPort}`;
/** As processes within see it. */
export const kubeconfigOf = (user: UserName): string => `${folder}/${user}.kubeconfig`;

/** Who wrote what: replicas with their number, everything else by name. */
const auditRules = [
  {
    level: 'Request',
    verbs: ['update', 'patch'],
    resources: [{ group: 'apps', resources: ['deployments/scale'] }],
  },
  {
    level: 'Metadata',
    verbs: ['create', 'update', 'patch', 'delete', 'deletecollection'],
    resources: [
      { group: 'apps' },
      { group: '', resources: ['pods', 'pods/eviction'] },
      { group: 'penstock.dev' },
    ],
  },
  { level: 'None' },
];

/**
 * etcd, API server, controller manager and scheduler.
 *
 * @returns a client of this machine, as `admin`.
 */
export async function startControlPlane(place: Place): Promise<ApiClient> {
  const outside = join(place.folder, 'control-plane');
  await mkdir(outside);
  const tokens = Object.fromEntries(
    Object.keys(users).map((name) => [name, randomBytes(16).toString('hex')]),
  ) as Record<UserName, string>; // fromEntries forgets which keys it was given.
  await writeApiServerFiles(
    outside,
    Object.entries(users).map(([name, groups]) => ({ name, groups, token: tokens[name as UserName] })),
    auditRules,
  );

  const [etcdUrl, peerUrl] = ['http://127.0.0.1:2379', 'http://127.0.0.1:2380'];
  await startWithin(place, 'etcd', etcdArgs(`${folder}/etcd`, etcdUrl, peerUrl), isStarted);
  const url = `https://localhost:${await openPort(place, nodeAddress, apiPort)}`;
  const certificate = (): Promise<string> => readFile(join(outside, 'apiserver.crt'), 'utf8');
  const client = apiClient({ url, certificate, token: tokens.admin });
  await startWithin(
    place,
    'kube-apiserver',
    [
      ...apiServerArgs({
        folder,
        etcdUrl,
        bindAddress: '0.0.0.0',
        advertiseAddress: nodeAddress,
        port: apiPort,
        authorization: 'Node,RBAC',
      }),
      '--enable-admission-plugins=NodeRestriction',
      // Logs and exec then need no name of the node.
      '--kubelet-preferred-address-types=InternalIP',
      '--allow-privileged',
    ],
    async () => (await client.ask('GET', '/readyz')).status === 200,
  );

  await writeFile(place.kubeconfig, kubeconfig(url, await certificate(), tokens.admin), { mode: 0o600 });
  for (const [user, token] of Object.entries(tokens)) {
    const file = join(outside, `${user}.kubeconfig`);
    await writeFile(file, kubeconfig(apiUrl, await certificate(), token), { mode: 0o600 });
  }
  await startWithin(
    place,
    'kube-controller-manager',
    [
      `--kubeconfig=${kubeconfigOf('system:kube-controller-manager')}`,
      `--service-account-private-key-file=${folder}/service-account.key`,
      `--root-ca-file=${folder}/apiserver.crt`,
      '--use-service-account-credentials',
      '--leader-elect=false',
    ],
    async () =>
      (await client.ask('GET', '/api/v1/namespaces/default/serviceaccounts/default')).status === 200,
  );
  await startWithin(
    place,
    'kube-scheduler',
    [`--kubeconfig=${kubeconfigOf('system:kube-scheduler')}`, '--leader-elect=false'],
    isStarted,
  );
  return client;
}

/** For programs whose readiness shows in what others do with them. */
export const isStarted = (): Promise<boolean> => Promise.resolve(true);
