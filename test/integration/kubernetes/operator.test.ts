import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { WorkerPoolStatus } from '#crds/worker-pool-status.ts';
import {
  createConnection,
  createDeployment,
  createNamespace,
  createPool,
  installCrds,
  makePodsReady,
  merge,
  must,
} from '../../builders/kubernetesRig.ts';
import { operator } from '../../builders/program.ts';
import type { Program } from '../../builders/program.ts';
import { until } from '../../builders/until.ts';
import { startApiProxy } from '../../tools/apiProxy.ts';
import { startApiServer } from '../../tools/apiServer.ts';
import type { ApiServer } from '../../tools/apiServer.ts';
import { kubeconfig } from '../../tools/controlPlane.ts';
import { at, freePorts } from '../../tools/serverProcess.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';

let api: ApiServer;
let nats: NatsServer;
let connection: NatsConnection;
let folder: string;

beforeAll(async () => {
  [api, nats] = await Promise.all([startApiServer(), startNatsServer()]);
  connection = await connect({ servers: nats.url });
  folder = await mkdtemp(join(tmpdir(), 'penstock-operator-'));
  for (const user of ['admin', 'operator'] as const) {
    await writeFile(join(folder, user), kubeconfig(api.url, await api.certificate(), api.tokens[user]));
  }
  await installCrds(api);
});
afterAll(async () => {
  await connection.close();
  await Promise.all([api[Symbol.asyncDispose](), nats[Symbol.asyncDispose]()]);
  await rm(folder, { recursive: true, force: true });
});

/** An operator that looks at one namespace, and others if they are named, and has its lease there. */
function start(
  namespace: string,
  name = 'operator',
  user: 'admin' | 'operator' | 'proxied' = 'admin',
  port = 0,
  others: readonly string[] = [],
): Program {
  return operator({
    KUBECONFIG: join(folder, user),
    PENSTOCK_NAMESPACES: [namespace, ...others].join(','),
    PENSTOCK_LEASE_NAMESPACE: namespace,
    PENSTOCK_HTTP_HOST: '127.0.0.1',
    PENSTOCK_HTTP_PORT: `${port}`,
    POD_NAME: name,
  });
}

/** A namespace with a Deployment, a pool and a queue, all named work. */
async function prepare(spec: Record<string, unknown> = {}): Promise<string> {
  const namespace = await createNamespace(api);
  const stream = streamOf(namespace);
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: stream, subjects: [`${stream}.>`] });
  await manager.consumers.add(stream, { durable_name: 'work', ack_policy: 'explicit' });
  await createConnection(api, namespace, nats.url);
  await createDeployment(api, namespace, 'work');
  await createPool(api, namespace, 'work', {
    sources: [{ connection: 'nats', stream, consumer: 'work' }],
    zero: { idleSeconds: 1 },
    ...spec,
  });
  return namespace;
}

const streamOf = (namespace: string): string => namespace.toUpperCase();

async function publish(namespace: string, count: number): Promise<void> {
  const js = jetstream(connection);
  await Promise.all(Array.from({ length: count }, () => js.publish(`${streamOf(namespace)}.job`)));
}

async function replicas(namespace: string): Promise<number> {
  const path = `/apis/apps/v1/namespaces/${namespace}/deployments/work/scale`;
  return ((await must(api, 'GET', path)) as { spec: { replicas?: number } }).spec.replicas ?? 0;
}

const poolPath = (namespace: string): string =>
  `/apis/penstock.dev/v1alpha1/namespaces/${namespace}/workerpools/work`;

async function status(namespace: string): Promise<WorkerPoolStatus> {
  return ((await must(api, 'GET', poolPath(namespace))) as { status?: WorkerPoolStatus }).status ?? {};
}

type Ready = { readonly status: string; readonly reason: string; readonly message: string };

async function ready(namespace: string): Promise<Ready | undefined> {
  return (await status(namespace)).conditions?.find(({ type }) => type === 'Ready');
}

type Event = { reason: string; note: string; type: string; regarding: { kind: string } };

async function events(namespace: string): Promise<Event[]> {
  const list = await must(api, 'GET', `/apis/events.k8s.io/v1/namespaces/${namespace}/events`);
  return (list as { items: Event[] }).items.filter(({ regarding }) => regarding.kind === 'WorkerPool');
}

type Lease = { spec: { holderIdentity: string; leaseTransitions: number } };
const lease = async (namespace: string): Promise<Lease | undefined> => {
  const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/penstock-operator`;
  const { status: code, body } = await api.ask('GET', path);
  return code === 200 ? (body as Lease) : undefined;
};

async function version(namespace: string): Promise<string> {
  const pool = await must(api, 'GET', poolPath(namespace));
  return (pool as { metadata: { resourceVersion: string } }).metadata.resourceVersion;
}

/** Waits for so many renewals of the lease, which come every two seconds. */
async function renewals(namespace: string, count: number): Promise<void> {
  const spec = async (): Promise<string> => JSON.stringify((await lease(namespace))?.spec);
  let changes = 0;
  let last = await spec();
  await until(
    `${count} renewals`,
    async () => {
      const now = await spec();
      if (now !== last) changes += 1;
      last = now;
      return changes >= count;
    },
    60_000,
  );
}

describe('one operator', () => {
  test('wakes a pool, says so, and puts it to rest when the work is done', async () => {
    const namespace = await prepare();
    await using program = start(namespace);
    await until('the pool to be seen', async () => (await ready(namespace))?.status === 'True');
    expect(await replicas(namespace)).toBe(0);

    await publish(namespace, 30);
    await until('replicas', async () => (await replicas(namespace)) > 0);
    await until('ready pods in the status', async () => {
      await makePodsReady(api, namespace);
      return ((await status(namespace)).readyReplicas ?? 0) > 0;
    });
    expect(await events(namespace)).toContainEqual(
      expect.objectContaining({
        reason: 'WokeFromZero',
        type: 'Normal',
        note: expect.stringMatching(/^0 → \d/) as string,
      }),
    );

    const consumer = await jetstream(connection).consumers.get(streamOf(namespace), 'work');
    for await (const message of await consumer.fetch({ max_messages: 30 })) message.ack();
    await until('zero replicas', async () => (await replicas(namespace)) === 0);
    await until('the status to say it', async () => (await status(namespace)).desiredReplicas === 0);
    expect((await status(namespace)).lastScale).toMatchObject({ to: 0 });
    program.child.kill('SIGTERM');
    expect(await program.ended).toBe(0);
    expect((await lease(namespace))?.spec.holderIdentity).toBe('');
  });

  test('takes figures out of the status that it does not know any more', async () => {
    const namespace = await prepare();
    await using _program = start(namespace);
    await publish(namespace, 30);
    await until('a recommendation', async () => ((await status(namespace)).recommendedReplicas ?? 0) > 0);
    const manager = await jetstreamManager(connection);
    await manager.consumers.delete(streamOf(namespace), 'work');
    await until('the missing consumer', async () => (await status(namespace)).reason === 'ConsumerMissing');
    await until('none', async () => (await status(namespace)).recommendedReplicas === undefined);
    expect(await status(namespace)).toHaveProperty('desiredReplicas');
  });

  test('writes nothing while nothing changes', async () => {
    const namespace = await prepare();
    await using _program = start(namespace);
    await until('all to be measured', async () => {
      const { arrivalsPerSecond, completionsPerSecond } = await status(namespace);
      return arrivalsPerSecond === '0' && completionsPerSecond === '0';
    });
    const before = await version(namespace);
    // Four seconds in which the pool was looked at every second.
    await renewals(namespace, 2);
    expect(await version(namespace)).toBe(before);
  });

  test('writes nothing after a restart that changes nothing, and then what does change', async () => {
    const namespace = await prepare();
    {
      await using program = start(namespace);
      await until('all to be measured', async () => (await status(namespace)).completionsPerSecond === '0');
      await renewals(namespace, 2);
      program.child.kill('SIGTERM');
      expect(await program.ended).toBe(0);
    }
    const before = await version(namespace);
    await using _program = start(namespace, 'next');
    await until(
      'the next one to lead',
      async () => (await lease(namespace))?.spec.holderIdentity.startsWith('next_') === true,
    );
    // Longer than the time for which a start waits with what it may not know yet.
    await renewals(namespace, 8);
    expect(await version(namespace)).toBe(before);
    await must(api, 'PATCH', poolPath(namespace), { spec: { minReplicas: 1 } }, merge);
    await until('the change to be told', async () => (await status(namespace)).desiredReplicas === 1);
  });

  test('leaves the replicas of a pool that is deleted as they are', async () => {
    const namespace = await prepare({ minReplicas: 2 });
    await using _program = start(namespace);
    await until('two replicas', async () => (await replicas(namespace)) === 2);
    await must(api, 'DELETE', poolPath(namespace));
    await createPool(api, namespace, 'other', { scaleTargetRef: { name: 'nothing' } });
    await until('a later pool to be looked at', async () => {
      const other = await must(api, 'GET', poolPath(namespace).replace(/work$/, 'other'));
      return (other as { status?: WorkerPoolStatus }).status?.reason === 'TargetMissing';
    });
    expect(await replicas(namespace)).toBe(2);
  });

  test('does not take a size back that it wrote before a restart', async () => {
    const namespace = await prepare();
    {
      await using program = start(namespace);
      await publish(namespace, 600);
      await until('many replicas', async () => (await replicas(namespace)) >= 5);
      program.child.kill('SIGTERM');
      expect(await program.ended).toBe(0);
    }
    const before = await replicas(namespace);
    const lowest = { replicas: before };
    await using _program = start(namespace, 'next');
    await until('the next one to lead and to look', async () => {
      lowest.replicas = Math.min(lowest.replicas, await replicas(namespace));
      const isNext = (await lease(namespace))?.spec.holderIdentity.startsWith('next_') === true;
      return isNext && (await status(namespace)).conditions !== undefined;
    });
    expect(lowest.replicas).toBe(before);
  });

  const broken: Record<string, { break: (namespace: string) => Promise<unknown>; reason: string }> = {
    'a target that is missing': {
      break: (namespace) => must(api, 'DELETE', `/apis/apps/v1/namespaces/${namespace}/deployments/work`),
      reason: 'TargetMissing',
    },
    'a consumer that is missing': {
      break: async (namespace) =>
        (await jetstreamManager(connection)).consumers.delete(streamOf(namespace), 'work'),
      reason: 'ConsumerMissing',
    },
    'a connection that is missing': {
      break: (namespace) =>
        must(api, 'DELETE', `/apis/penstock.dev/v1alpha1/namespaces/${namespace}/natsconnections/nats`),
      reason: 'SourceUnavailable',
    },
    'a target that another autoscaler scales': {
      break: (namespace) =>
        must(api, 'POST', `/apis/autoscaling/v2/namespaces/${namespace}/horizontalpodautoscalers`, {
          apiVersion: 'autoscaling/v2',
          kind: 'HorizontalPodAutoscaler',
          metadata: { name: 'hpa' },
          spec: {
            scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'work' },
            maxReplicas: 3,
          },
        }),
      reason: 'TargetConflict',
    },
  };
  test.each(Object.entries(broken))(
    '%s is a condition, and another pool goes on',
    async (_, { break: breakIt, reason }) => {
      const namespace = await prepare();
      await createDeployment(api, namespace, 'other');
      await createPool(api, namespace, 'other', {
        sources: [{ connection: 'nats', stream: streamOf(namespace), consumer: 'work' }],
        minReplicas: 1,
      });
      const port = at(await freePorts(1), 0);
      await using _program = start(namespace, 'operator', 'admin', port);
      await until('the pool to be seen', async () => (await ready(namespace))?.status === 'True');
      await breakIt(namespace);
      const condition = await until(reason, async () => {
        const now = await ready(namespace);
        return now?.reason === reason && now;
      });
      expect(condition.status).toBe('False');
      const other = `/apis/apps/v1/namespaces/${namespace}/deployments/other/scale`;
      await until('the other pool to be scaled', async () => {
        const { spec } = (await must(api, 'GET', other)) as { spec: { replicas?: number } };
        return (spec.replicas ?? 0) === 1;
      });
      await until('the metrics to be those of pools that are worked on', async () => {
        const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
        return (
          text.includes(`pool="${namespace}/other"`) &&
          text.includes(`pool="${namespace}/work"`) === (reason !== 'TargetConflict')
        );
      });
    },
  );
});

test('a token is read from its secret, and a new one is used without a restart', async () => {
  await using guarded = await startNatsServer({ args: ['--auth', 'right'] });
  const namespace = await createNamespace(api);
  await using admin = {
    connection: await connect({ servers: guarded.url, token: 'right' }),
    [Symbol.asyncDispose]: () => admin.connection.close(),
  };
  const manager = await jetstreamManager(admin.connection);
  await manager.streams.add({ name: 'JOBS', subjects: ['jobs'] });
  await manager.consumers.add('JOBS', { durable_name: 'work', ack_policy: 'explicit' });
  await createConnection(api, namespace, guarded.url, { token: { secretName: 'nats' } });
  await createDeployment(api, namespace, 'work');
  await createPool(api, namespace, 'work');
  await using _program = start(namespace);

  const says = async (pattern: RegExp): Promise<boolean> => {
    const message = (await status(namespace)).conditions?.find(({ type }) => type === 'Ready')?.message;
    return message !== undefined && pattern.test(message);
  };
  const secrets = `/api/v1/namespaces/${namespace}/secrets`;
  await until('the missing secret to be named', () => says(/Secret .*nats cannot be read/));
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'nats' },
    stringData: { token: 'wrong' },
  };
  await must(api, 'POST', secrets, secret);
  await until('the missing annotation to be named', () =>
    says(/Secret nats may not be used with 127\.0\.0\.1/),
  );
  const metadata = { annotations: { 'penstock.dev/nats-servers': '127.0.0.1' } };
  await must(api, 'PATCH', `${secrets}/nats`, { metadata }, merge);
  await until('the wrong token to be refused', () => says(/[Aa]uthorization/), 60_000);
  await must(api, 'PATCH', `${secrets}/nats`, { stringData: { token: 'right' } }, merge);
  await until('the pool to be ready', async () => (await ready(namespace))?.status === 'True', 60_000);
});

describe('rights', () => {
  const readOnly = [
    {
      apiGroups: ['penstock.dev'],
      resources: ['workerpools', 'natsconnections'],
      verbs: ['get', 'list', 'watch'],
    },
    { apiGroups: ['penstock.dev'], resources: ['workerpools/status'], verbs: ['patch'] },
    { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] },
    { apiGroups: ['autoscaling'], resources: ['horizontalpodautoscalers'], verbs: ['list', 'watch'] },
    { apiGroups: ['apps'], resources: ['deployments/scale'], verbs: ['get'] },
    { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create'] },
    { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'create', 'update'] },
  ];
  const bind = async (namespace: string, rules: readonly unknown[]): Promise<void> => {
    const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
    const apiVersion = 'rbac.authorization.k8s.io/v1';
    await must(api, 'POST', `${rbac}/roles`, {
      apiVersion,
      kind: 'Role',
      metadata: { name: 'operator' },
      rules,
    });
    await must(api, 'POST', `${rbac}/rolebindings`, {
      apiVersion,
      kind: 'RoleBinding',
      metadata: { name: 'operator' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'operator' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'operator' }],
    });
  };

  test('a right to list that is missing is named by the readiness, until it is given', async () => {
    const namespace = await prepare();
    await bind(
      namespace,
      readOnly.filter(({ resources }) => !resources.includes('pods')),
    );
    const port = at(await freePorts(1), 0);
    await using _program = start(namespace, 'operator', 'operator', port);
    const readiness = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/readyz`)).text();
    await until('the right to be named', async () =>
      (await readiness()).includes('cannot list resource "pods"'),
    );
    const role = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/roles/operator`;
    await must(api, 'PATCH', role, { rules: readOnly }, merge);
    await until('it to be ready', async () => (await readiness()) === 'ok\n');
  });

  test('a right to list that is missing in one namespace holds back the pools there, until it is given', async () => {
    const scale = { apiGroups: ['apps'], resources: ['deployments/scale'], verbs: ['get', 'update'] };
    const rules = [...readOnly, scale];
    const [whole, lacking] = await Promise.all([prepare({ minReplicas: 1 }), prepare({ minReplicas: 1 })]);
    await bind(whole, rules);
    await bind(
      lacking,
      rules.filter(({ resources }) => !resources.includes('pods')),
    );
    const port = at(await freePorts(1), 0);
    await using _program = start(whole, 'operator', 'operator', port, [lacking]);
    await until('the pool with all rights to be scaled', async () => (await replicas(whole)) === 1);
    expect(await until('the other one to say why it is not', () => ready(lacking))).toMatchObject({
      status: 'False',
      reason: 'CannotWatch',
      message: expect.stringMatching(/pods.*cannot list resource "pods".*list and watch/) as string,
    });
    expect(await replicas(lacking)).toBe(0);
    const [readiness, metrics] = await Promise.all(
      ['readyz', 'metrics'].map(async (path) => fetch(`http://127.0.0.1:${port}/${path}`)),
    );
    expect(readiness?.status).toBe(200);
    expect(await readiness?.text()).toContain(`${lacking}: `);
    const text = (await metrics?.text()) ?? '';
    expect(text).toContain(`penstock_watch_listed{resource="pods",namespace="${lacking}"} 0`);
    expect(text).toContain(`penstock_watch_listed{resource="pods",namespace="${whole}"} 1`);
    expect(text).toContain(`penstock_watch_age_seconds{resource="pods",namespace="${whole}"}`);

    const role = `/apis/rbac.authorization.k8s.io/v1/namespaces/${lacking}/roles/operator`;
    await must(api, 'PATCH', role, { rules }, merge);
    await until('the other one to be scaled', async () => (await replicas(lacking)) === 1, 60_000);
  });

  test('a right to watch that is missing beside the one to list holds back its namespace, and no other', async () => {
    const full = [
      ...readOnly,
      { apiGroups: ['apps'], resources: ['deployments/scale'], verbs: ['get', 'update'] },
    ];
    const isPods = ({ resources }: { resources: readonly string[] }): boolean => resources.includes('pods');
    const [good, blind, bare] = [
      await prepare({ minReplicas: 1 }),
      await prepare({ minReplicas: 1 }),
      await prepare({ minReplicas: 1 }),
    ];
    await bind(good, full);
    // Of pods the list alone, so that it is the watch that fails.
    await bind(blind, [
      ...full.filter((rule) => !isPods(rule)),
      { apiGroups: [''], resources: ['pods'], verbs: ['list'] },
    ]);
    const port = at(await freePorts(1), 0);
    const page = async (path: string): Promise<string> =>
      (await fetch(`http://127.0.0.1:${port}/${path}`)).text();
    await using _program = start(good, 'operator', 'operator', port, [blind, bare]);

    await until('the pool with all rights to be scaled', async () => (await replicas(good)) === 1);
    const refused = await until('the other to say what is missing', async () =>
      (await status(blind)).conditions?.find(({ reason }) => reason === 'CannotWatch'),
    );
    expect(refused).toMatchObject({ type: 'Ready', status: 'False' });
    expect(refused.message).toMatch(
      new RegExp(`cannot watch resource "pods" .* in the namespace "${blind}"`),
    );
    expect(await replicas(blind)).toBe(0);
    const readiness = await page('readyz');
    expect(readiness).toMatch(/^ok\n/);
    expect(readiness).toContain(`cannot list resource "workerpools"`);
    expect(readiness).toContain(`in the namespace "${bare}"`);
    const role = `/apis/rbac.authorization.k8s.io/v1/namespaces/${blind}/roles/operator`;
    await must(api, 'PATCH', role, { rules: full }, merge);
    await bind(bare, full);
    await until(
      'one replica in each',
      async () => (await replicas(blind)) === 1 && (await replicas(bare)) === 1,
    );
    await until('it to say so', async () => (await ready(blind))?.status === 'True');
    expect(await page('readyz')).toBe('ok\n');
  });

  test('a right to scale that is missing is an event, and scaling goes on once it is given', async () => {
    const namespace = await prepare({ minReplicas: 1 });
    await bind(namespace, readOnly);
    await using _program = start(namespace, 'operator', 'operator');
    const event = await until('the event', async () =>
      (await events(namespace)).find(({ reason }) => reason === 'ScaleFailed'),
    );
    expect(event).toMatchObject({ type: 'Warning', note: expect.stringMatching(/forbidden/) as string });
    expect(await replicas(namespace)).toBe(0);
    const scale = { apiGroups: ['apps'], resources: ['deployments/scale'], verbs: ['get', 'update'] };
    const role = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/roles/operator`;
    await must(api, 'PATCH', role, { rules: [...readOnly, scale] }, merge);
    await until('one replica', async () => (await replicas(namespace)) === 1);
  });
});

/** Calls of the operator about one pool, by what they are for; of lists and watches those of pods. */
const calls: Readonly<Record<string, RegExp>> = {
  list: /^GET .*\/pods\?(?!.*watch=true)/,
  watch: /^GET .*\/pods\?.*watch=true/,
  'reading a scale': /^GET .*\/deployments\/work\/scale/,
  'writing a scale': /^PUT .*\/deployments\/work\/scale/,
  status: /^PATCH .*\/workerpools\/work\/status/,
  event: /^POST .*\/events/,
};

test('an API server that fails once at each call, in every way, delays the pools concerned and no other', async () => {
  const answers: readonly (readonly [status: number, body: string])[] = [
    [409, JSON.stringify({ reason: 'Conflict', message: 'changed', code: 409 })],
    [429, JSON.stringify({ reason: 'TooManyRequests', message: 'slow down', code: 429 })],
    [500, JSON.stringify({ reason: 'InternalError', message: 'out of order', code: 500 })],
    [503, 'upstream connect error'],
    [200, '{"metadata":'],
  ];
  const spared = await prepare({ minReplicas: 1 });
  const faulty = await Promise.all(
    answers.map(async (answer) => ({ answer, namespace: await prepare({ minReplicas: 1 }) })),
  );
  await using proxy = await startApiProxy(api);
  await writeFile(join(folder, 'proxied'), kubeconfig(proxy.url, await api.certificate(), api.tokens.admin));
  const fired = new Set<string>();
  proxy.setFault(({ method, url }, response) => {
    const call = `${method} ${url}`;
    const kind = Object.keys(calls).find((name) => calls[name]?.test(call));
    const hit = faulty.find(({ namespace }) => call.includes(`/namespaces/${namespace}/`));
    if (kind === undefined || hit === undefined) return false;
    const fault = `${hit.answer[0]} ${kind}`;
    if (fired.has(fault)) return false;
    fired.add(fault);
    const [code, body] = hit.answer;
    response.writeHead(code, { 'content-type': 'application/json' }).end(body);
    return true;
  });
  const namespaces = faulty.map(({ namespace }) => namespace);
  await using _program = start(spared, 'operator', 'proxied', 0, namespaces);
  await until('the pool that is spared to be scaled', async () => (await replicas(spared)) === 1);
  const all = answers.flatMap(([code]) => Object.keys(calls).map((kind) => `${code} ${kind}`));
  await until('each call to have failed in each way', () => fired.size === all.length);
  expect([...fired].sort()).toEqual(all.sort());
  await until('one replica everywhere', async () =>
    (await Promise.all(namespaces.map(replicas))).every((count) => count === 1),
  );
  for (const namespace of namespaces) {
    await until('the pool to say how it is', async () => (await ready(namespace))?.status === 'True');
  }
  expect(await replicas(spared)).toBe(1);
});

describe('two operators', () => {
  test('the second takes over when the first ends, at once and without a dip', async () => {
    const namespace = await prepare({ minReplicas: 3 });
    await using first = start(namespace, 'first');
    await until('the first to lead', async () =>
      (await lease(namespace))?.spec.holderIdentity.startsWith('first_'),
    );
    await using _second = start(namespace, 'second');
    await until('three replicas', async () => (await replicas(namespace)) === 3);
    first.child.kill('SIGTERM');
    expect(await first.ended).toBe(0);
    await until('the second to lead', async () =>
      (await lease(namespace))?.spec.holderIdentity.startsWith('second_'),
    );
    expect(await replicas(namespace)).toBe(3);
    await must(api, 'PATCH', poolPath(namespace), { spec: { minReplicas: 4 } }, merge);
    await until('the second to scale', async () => (await replicas(namespace)) === 4);
  });

  test('one that was frozen beyond its lease writes nothing when it wakes, and ends', async () => {
    const namespace = await prepare({ minReplicas: 1 });
    await using first = start(namespace, 'first');
    await until('the first to scale', async () => (await replicas(namespace)) === 1);
    await using _second = start(namespace, 'second');
    first.child.kill('SIGSTOP');
    await until(
      'the second to lead',
      async () => (await lease(namespace))?.spec.holderIdentity.startsWith('second_'),
      60_000,
    );
    // What the first would write if it did not look at its lease: it never saw this change.
    await must(api, 'PATCH', poolPath(namespace), { spec: { minReplicas: 5 } }, merge);
    await until('the second to scale', async () => (await replicas(namespace)) === 5);
    first.child.kill('SIGCONT');
    expect(await first.ended).toBe(1);
    expect(first.stderr()).toContain('LeaseLost');
    expect(await replicas(namespace)).toBe(5);
    expect((await lease(namespace))?.spec).toMatchObject({
      holderIdentity: expect.stringMatching(/^second_/) as string,
      leaseTransitions: 1,
    });
  });
});
