import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

type ReplicaRecord = {
  readonly replica: string;
  readonly what: 'lives' | 'asked';
  readonly pid: number;
  readonly stream: string;
  readonly url: string;
  readonly greeting: string | undefined;
};

export type LocalPolicy = AsyncDisposable & {
  readonly file: string;
  /** Writes the file anew with other values. */
  write(values: PolicyValues): Promise<void>;
  /** What the replicas have said, oldest first within each replica. */
  records(): Promise<ReplicaRecord[]>;
};

export type PolicyValues = {
  readonly url?: string;
  readonly stream?: string;
  readonly maxReplicas?: number | string;
  readonly minReplicas?: number;
  readonly mode?: string;
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly graceSeconds?: number;
  /** Pools, each with a consumer and a process of its name. */
  readonly pools?: readonly string[];
};

const replicaProgram = fileURLToPath(
  new URL('../integration/operator/fixtures/replica.mjs', import.meta.url),
);

/** A policy file in a temporary folder, whose replicas are the fixture program unless `command` names another. */
export async function localPolicy(values: PolicyValues = {}): Promise<LocalPolicy> {
  const folder = await mkdtemp(join(tmpdir(), 'penstock-policy-'));
  const file = join(folder, 'policy.yaml');
  const policy: LocalPolicy = {
    file,
    write: (next) => writeFile(file, render(folder, next)),
    async records() {
      const names = (await readdir(folder)).filter((name) => name !== 'policy.yaml');
      const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
      return texts.flatMap((text, index) =>
        text
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => ({
            replica: names[index] ?? '',
            ...(JSON.parse(line) as Omit<ReplicaRecord, 'replica'>),
          })),
      );
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
  await policy.write(values);
  return policy;
}

function render(
  folder: string,
  {
    url = 'nats://127.0.0.1:4222',
    stream = 'JOBS',
    maxReplicas = 5,
    minReplicas = 0,
    mode = 'Auto',
    command = [process.execPath, replicaProgram],
    env = {},
    graceSeconds = 5,
    pools = ['work'],
  }: PolicyValues,
): string {
  const apiVersion = 'penstock.dev/v1alpha1';
  const documents: unknown[] = [
    { apiVersion, kind: 'NatsConnection', metadata: { name: 'nats' }, spec: { servers: [url] } },
    ...pools.flatMap((name) => [
      {
        apiVersion,
        kind: 'WorkerPool',
        metadata: { name },
        spec: {
          scaleTargetRef: { apiVersion, kind: 'LocalProcess', name },
          sources: [{ connection: 'nats', stream, consumer: name }],
          minReplicas,
          maxReplicas,
          mode,
          zero: { idleSeconds: 1 },
        },
      },
      {
        apiVersion,
        kind: 'LocalProcess',
        metadata: { name },
        spec: { command, env: { FOLDER: folder, ...env }, terminationGracePeriodSeconds: graceSeconds },
      },
    ]),
  ];
  return documents.map((document) => JSON.stringify(document)).join('\n---\n');
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
