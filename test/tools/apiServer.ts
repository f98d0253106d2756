/**
 * A real Kubernetes control plane on loopback, for tests: etcd, API server, and the controllers that turn
 * Deployments into pods; no scheduler and no kubelet. Users are bearer tokens; `admin` may do everything, others what
 * RBAC gives them. Everything is gone after disposal.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { apiClient } from './apiClient.ts';
import type { ApiClient } from './apiClient.ts';
import { apiServerArgs, etcdArgs, kubeconfig, readAuditLog, writeApiServerFiles } from './controlPlane.ts';
import { at, freePorts, programPath, serverProcess } from './serverProcess.ts';
import type { ServerProcess } from './serverProcess.ts';

/** Asks as `admin`. */
export type ApiServer = ApiClient &
  AsyncDisposable & {
    readonly url: string;
    /** PEM of what clients must trust. */
    readonly certificate: () => Promise<string>;
    readonly tokens: { readonly admin: string; readonly operator: string };
    /** What the user `operator` was allowed to do so far, e.g. `watch apps/deployments`, without repetitions. */
    calls(): Promise<ReadonlySet<string>>;
    /** The API server process alone, to stop, freeze and start it. */
    readonly process: ServerProcess;
  };

const tokens = { admin: 'admin-token', operator: 'operator-token' };

export type ApiServerOptions = {
  /** Run the controllers that make pods of Deployments. Default true. */
  readonly controllers?: boolean;
};

export async function startApiServer({
  controllers: hasControllers = true,
}: ApiServerOptions = {}): Promise<ApiServer> {
  const folder = await mkdtemp(join(tmpdir(), 'penstock-kubernetes-'));
  const ports = await freePorts(4);
  const [etcdUrl, peerUrl] = [`http://127.0.0.1:${at(ports, 0)}`, `http://127.0.0.1:${at(ports, 1)}`];
  const port = at(ports, 2);
  const url = `https://127.0.0.1:${port}`;
  await writeApiServerFiles(
    folder,
    [
      { name: 'admin', token: tokens.admin, groups: ['system:masters'] },
      { name: 'operator', token: tokens.operator },
    ],
    [{ level: 'Metadata', users: ['operator'] }, { level: 'None' }],
  );

  const certificate = (): Promise<string> => readFile(join(folder, 'apiserver.crt'), 'utf8');
  const { ask } = apiClient({ url, certificate, token: tokens.admin });

  const etcd = serverProcess({
    name: 'etcd',
    program: programPath('PENSTOCK_ETCD'),
    args: etcdArgs(join(folder, 'etcd'), etcdUrl, peerUrl),
    isReady: async () => (await fetch(`${etcdUrl}/health`)).ok,
  });
  const apiServer = serverProcess({
    name: 'kube-apiserver',
    program: programPath('PENSTOCK_KUBE_APISERVER'),
    args: [
      ...apiServerArgs({
        folder,
        etcdUrl,
        bindAddress: '127.0.0.1',
        advertiseAddress: '127.0.0.1',
        port,
        authorization: 'RBAC',
      }),
      '--endpoint-reconciler-type=none',
      // Nothing here makes service accounts, so pods must not be refused for lack of one.
      '--disable-admission-plugins=ServiceAccount',
    ],
    isReady: async () => (await ask('GET', '/readyz')).status === 200,
  });
  const controllers = serverProcess({
    name: 'kube-controller-manager',
    program: programPath('PENSTOCK_KUBE_CONTROLLER_MANAGER'),
    args: [
      `--kubeconfig=${join(folder, 'kubeconfig')}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${at(ports, 3)}`,
      `--cert-dir=${join(folder, 'controllers')}`,
      '--leader-elect=false',
      '--controllers=deployment-controller,replicaset-controller,statefulset-controller,garbage-collector-controller',
    ],
    isReady: () => isListening(at(ports, 3)),
  });
  const dispose = async (): Promise<void> => {
    await controllers[Symbol.asyncDispose]();
    await apiServer[Symbol.asyncDispose]();
    await etcd[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  };
  try {
    await etcd.start();
    await apiServer.start();
    await writeFile(join(folder, 'kubeconfig'), kubeconfig(url, await certificate(), tokens.admin));
    if (hasControllers) await controllers.start();
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    url,
    certificate,
    tokens,
    ask,
    calls: async () => readCalls(await readFile(join(folder, 'audit.log'), 'utf8')),
    process: apiServer,
    [Symbol.asyncDispose]: dispose,
  };
}

function readCalls(log: string): ReadonlySet<string> {
  const calls = readAuditLog(log).map(({ verb, objectRef, annotations }) => {
    if (annotations?.['authorization.k8s.io/decision'] !== 'allow' || objectRef?.resource === undefined)
      return '';
    const { apiGroup = '', resource, subresource } = objectRef;
    return `${verb} ${apiGroup}/${resource}${subresource === undefined ? '' : `/${subresource}`}`;
  });
  return new Set(calls.filter((call) => call !== ''));
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
