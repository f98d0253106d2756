/**
 * A real Kubernetes control plane on loopback, for tests: etcd, API server, and the controllers that turn
 * Deployments into pods; no scheduler and no kubelet. Users are bearer tokens; `admin` may do everything, others what
 * RBAC gives them. Everything is gone after disposal.
 */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { at, freePorts, programPath, serverProcess } from './serverProcess.ts';
import type { ServerProcess } from './serverProcess.ts';

export type ApiAnswer = { readonly status: number; readonly body: unknown };

export type ApiServer = AsyncDisposable & {
  readonly url: string;
  /** PEM of what clients must trust. */
  readonly certificate: () => Promise<string>;
  readonly tokens: { readonly admin: string; readonly operator: string };
  /** One request as `admin`; a body is sent as JSON. */
  ask(method: string, path: string, body?: unknown, contentType?: string): Promise<ApiAnswer>;
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
  await writeFile(
    join(folder, 'tokens.csv'),
    `${tokens.admin},admin,1,"system:masters"\n${tokens.operator},operator,2\n`,
  );
  await writeServiceAccountKeys(folder);

  await writeFile(join(folder, 'audit.json'), JSON.stringify(auditPolicy));

  const certificate = (): Promise<string> => readFile(join(folder, 'apiserver.crt'), 'utf8');
  const ask: ApiServer['ask'] = async (method, path, body, contentType = 'application/json') =>
    send(port, await certificate(), method, path, body, contentType);

  const etcd = serverProcess({
    name: 'etcd',
    program: programPath('PENSTOCK_ETCD'),
    args: [
      `--data-dir=${join(folder, 'etcd')}`,
      `--listen-client-urls=${etcdUrl}`,
      `--advertise-client-urls=${etcdUrl}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=default=${peerUrl}`,
      '--unsafe-no-fsync',
      '--log-level=error',
    ],
    isReady: async () => (await fetch(`${etcdUrl}/health`)).ok,
  });
  const apiServer = serverProcess({
    name: 'kube-apiserver',
    program: programPath('PENSTOCK_KUBE_APISERVER'),
    args: [
      `--etcd-servers=${etcdUrl}`,
      '--bind-address=127.0.0.1',
      '--advertise-address=127.0.0.1',
      `--secure-port=${port}`,
      // Makes its own certificate there.
      `--cert-dir=${folder}`,
      '--endpoint-reconciler-type=none',
      '--service-cluster-ip-range=10.96.0.0/24',
      '--service-account-issuer=https://penstock.test',
      `--service-account-key-file=${join(folder, 'service-account.pub')}`,
      `--service-account-signing-key-file=${join(folder, 'service-account.key')}`,
      `--token-auth-file=${join(folder, 'tokens.csv')}`,
      `--audit-policy-file=${join(folder, 'audit.json')}`,
      `--audit-log-path=${join(folder, 'audit.log')}`,
      '--authorization-mode=RBAC',
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
    await writeFile(
      join(folder, 'kubeconfig'),
      kubeconfig(`https://127.0.0.1:${port}`, await certificate(), tokens.admin),
    );
    if (hasControllers) await controllers.start();
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    url: `https://127.0.0.1:${port}`,
    certificate,
    tokens,
    ask,
    calls: async () => readCalls(await readFile(join(folder, 'audit.log'), 'utf8')),
    process: apiServer,
    [Symbol.asyncDispose]: dispose,
  };
}

const auditPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'Metadata', users: ['operator'] }, { level: 'None' }],
};

type AuditEvent = {
  readonly verb: string;
  readonly objectRef?: { apiGroup?: string; resource?: string; subresource?: string };
  readonly annotations?: Readonly<Record<string, string>>;
};

function readCalls(log: string): ReadonlySet<string> {
  const lines = log.slice(0, log.lastIndexOf('\n') + 1).split('\n');
  const events = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as AuditEvent);
  const calls = events.map(({ verb, objectRef, annotations }) => {
    if (annotations?.['authorization.k8s.io/decision'] !== 'allow' || objectRef?.resource === undefined)
      return '';
    const { apiGroup = '', resource, subresource } = objectRef;
    return `${verb} ${apiGroup}/${resource}${subresource === undefined ? '' : `/${subresource}`}`;
  });
  return new Set(calls.filter((call) => call !== ''));
}

async function writeServiceAccountKeys(folder: string): Promise<void> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2_048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  await writeFile(join(folder, 'service-account.pub'), publicKey);
  await writeFile(join(folder, 'service-account.key'), privateKey);
}

/** What clients read: where the server is, whom to trust, who we are. */
export function kubeconfig(server: string, certificate: string, token: string): string {
  const ca = Buffer.from(certificate).toString('base64');
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server, 'certificate-authority-data': ca } }],
    users: [{ name: 'test', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    'current-context': 'test',
  });
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

function send(
  port: number,
  ca: string,
  method: string,
  path: string,
  body: unknown,
  contentType: string,
): Promise<ApiAnswer> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${tokens.admin}`, 'content-type': contentType };
    const sent = request({ host: '127.0.0.1', port, ca, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const isJson = response.headers['content-type']?.includes('json') === true;
        resolve({ status: response.statusCode ?? 0, body: isJson ? (JSON.parse(text) as unknown) : text });
      });
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
