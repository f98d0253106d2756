/** What every control plane here is made of, whether its processes stand alone or make a cluster with a node. */
import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Addresses that Services get. */
export const serviceRange = '10.96.0.0/24';

export type User = { readonly name: string; readonly token: string; readonly groups?: readonly string[] };

/** Forgets what it wrote when the machine does, for speed. */
export function etcdArgs(dataFolder: string, clientUrl: string, peerUrl: string): string[] {
  return [
    `--data-dir=${dataFolder}`,
    `--listen-client-urls=${clientUrl}`,
    `--advertise-client-urls=${clientUrl}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=default=${peerUrl}`,
    '--unsafe-no-fsync',
    '--log-level=error',
  ];
}

/**
 * Files that an API server reads: its users as bearer tokens, the keys of service accounts, and what it audits.
 * It makes its own certificate beside them, `apiserver.crt`, which is also what clients must trust.
 */
export async function writeApiServerFiles(
  folder: string,
  users: readonly User[],
  auditRules: readonly Readonly<Record<string, unknown>>[],
): Promise<void> {
  const rows = users.map(
    ({ name, token, groups = [] }) => `${token},${name},${name},"${groups.join(',')}"\n`,
  );
  await writeFile(join(folder, 'tokens.csv'), rows.join(''), { mode: 0o600 });
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2_048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  await writeFile(join(folder, 'service-account.pub'), publicKey);
  await writeFile(join(folder, 'service-account.key'), privateKey, { mode: 0o600 });
  const policy = {
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    omitStages: ['RequestReceived'],
    rules: auditRules,
  };
  await writeFile(join(folder, 'audit.json'), JSON.stringify(policy));
}

export type ApiServerPlace = {
  /** That of `writeApiServerFiles`, as the server sees it. */
  readonly folder: string;
  readonly etcdUrl: string;
  readonly bindAddress: string;
  readonly advertiseAddress: string;
  readonly port: number;
  readonly authorization: 'RBAC' | 'Node,RBAC';
};

export function apiServerArgs(place: ApiServerPlace): string[] {
  const file = (name: string): string => join(place.folder, name);
  return [
    `--etcd-servers=${place.etcdUrl}`,
    `--bind-address=${place.bindAddress}`,
    `--advertise-address=${place.advertiseAddress}`,
    `--secure-port=${place.port}`,
    `--cert-dir=${place.folder}`,
    `--service-cluster-ip-range=${serviceRange}`,
    '--service-account-issuer=https://penstock.test',
    `--service-account-key-file=${file('service-account.pub')}`,
    `--service-account-signing-key-file=${file('service-account.key')}`,
    `--token-auth-file=${file('tokens.csv')}`,
    `--audit-policy-file=${file('audit.json')}`,
    `--audit-log-path=${file('audit.log')}`,
    `--authorization-mode=${place.authorization}`,
  ];
}

export type AuditEvent = {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly resource?: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  readonly annotations?: Readonly<Record<string, string>>;
  readonly requestReceivedTimestamp: string;
  readonly responseStatus?: { readonly code?: number };
};

/** The events of an audit log; a line whose writing is under way is left out. */
export function readAuditLog(log: string): AuditEvent[] {
  const lines = log.slice(0, log.lastIndexOf('\n') + 1).split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as AuditEvent);
}

/** What clients read: where the server is, whom to trust, who we are. */
export function kubeconfig(server: string, certificate: string, token: string): string {
  // The client library refuses to speak without TLS unless it need not verify any.
  const trust = server.startsWith('http:')
    ? { 'insecure-skip-tls-verify': true }
    : { 'certificate-authority-data': Buffer.from(certificate).toString('base64') };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server, ...trust } }],
    users: [{ name: 'test', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    'current-context': 'test',
  });
}
