import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import type { JetStreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { WorkerPoolStatus } from '#crds/worker-pool-status.ts';
import { parseExposition, total } from '../../bench/operator/exposition.ts';
import type { Samples } from '../../bench/operator/exposition.ts';
import {
  createConnection,
  createDeployment,
  createNamespace,
  createPool,
  installCrds,
  must,
} from '../../builders/kubernetesRig.ts';
import { operator } from '../../builders/program.ts';
import { until } from '../../builders/until.ts';
import { startApiServer } from '../../tools/apiServer.ts';
import type { ApiServer } from '../../tools/apiServer.ts';
import { kubeconfig } from '../../tools/controlPlane.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';
import { at, freePorts } from '../../tools/serverProcess.ts';
import { startTcpProxy } from '../../tools/tcpProxy.ts';

const stream = 'JOBS';
const lateness = 'penstock_pass_lateness_seconds';
const periodSeconds = 1;
const requestsAtOnce = 16;

/**
 * Names of pools by where their connection leads: to the server, through a proxy that stops, to one that is mute, to a
 * port where nobody listens.
 */
const pools = {
  direct: names('direct', 400),
  cut: names('cut', 4),
  mute: names('mute', 4),
  refused: names('refused', 4),
};

let api: ApiServer;
let nats: NatsServer;
let connection: NatsConnection;
let folder: string;
let namespace: string;

beforeAll(async () => {
  // Without controllers no pod comes into being: two cores are for the operator.
  [api, nats] = await Promise.all([startApiServer({ controllers: false }), startNatsServer()]);
  connection = await connect({ servers: nats.url });
  folder = await mkdtemp(join(tmpdir(), 'penstock-black-hole-'));
  await writeFile(join(folder, 'admin'), kubeconfig(api.url, await api.certificate(), api.tokens.admin));
  await installCrds(api);
  namespace = await createNamespace(api);
});
afterAll(async () => {
  await connection.close();
  await Promise.all([api[Symbol.asyncDispose](), nats[Symbol.asyncDispose]()]);
  await rm(folder, { recursive: true, force: true });
});

function names(connectionName: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${connectionName}-${index}`);
}

/** A server that accepts and never says a word. */
async function startMuteServer(): Promise<AsyncDisposable & { url: string; accepted: () => number }> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  const server = createServer((socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`, // A TCP server that listens has one.
    accepted: () => accepted,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Whether pools of that connection see their queue at first. */
const isReached = (connectionName: string): boolean =>
  connectionName === 'direct' || connectionName === 'cut';

async function addPools(manager: JetStreamManager): Promise<void> {
  await manager.streams.add({ name: stream, subjects: ['jobs.>'] });
  const waiting = Object.entries(pools)
    .flatMap(([connectionName, list]) => list.map((pool) => ({ pool, connectionName })))
    .values();
  const add = async (): Promise<void> => {
    for (const { pool, connectionName } of waiting) {
      await manager.consumers.add(stream, {
        durable_name: pool,
        ack_policy: 'explicit',
        filter_subject: `jobs.${pool}`,
      });
      await createDeployment(api, namespace, pool, isReached(connectionName) ? 0 : 2);
      const sources = [{ connection: connectionName, stream, consumer: pool }];
      await createPool(api, namespace, pool, { sources, maxReplicas: 3, zero: { idleSeconds: 1 } });
    }
  };
  await Promise.all(Array.from({ length: requestsAtOnce }, add));
}

function publish(pool: string, count: number): void {
  for (let sent = 0; sent < count; sent += 1) connection.publish(`jobs.${pool}`);
}

async function replicas(pool: string): Promise<number> {
  const path = `/apis/apps/v1/namespaces/${namespace}/deployments/${pool}/scale`;
  return ((await must(api, 'GET', path)) as { spec: { replicas?: number } }).spec.replicas ?? 0;
}

async function haveReplicas(list: readonly string[], wanted: number): Promise<boolean> {
  return (await Promise.all(list.map(replicas))).every((count) => count === wanted);
}

type Condition = { readonly status: string; readonly reason: string; readonly message: string };

async function ready(pool: string): Promise<Condition | undefined> {
  const path = `/apis/penstock.dev/v1alpha1/namespaces/${namespace}/workerpools/${pool}`;
  const { status } = (await must(api, 'GET', path)) as { status?: WorkerPoolStatus };
  return status?.conditions?.find(({ type }) => type === 'Ready');
}

async function scrape(port: number): Promise<Samples> {
  return parseExposition(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text());
}

const looks = (samples: Samples): number => total(samples, `${lateness}_count`);
const looksWithinSecond = (samples: Samples): number => total(samples, `${lateness}_bucket`, /le="1"/);
const readyPools = (samples: Samples): number => total(samples, 'penstock_pool_condition', /type="Ready"/);

test('pools whose NATS is a black hole or refuses connections hold their replicas and say so, and 400 others keep their period', async () => {
  await using proxy = await startTcpProxy(nats.port);
  await using mute = await startMuteServer();
  await createConnection(api, namespace, nats.url, {}, 'direct');
  await createConnection(api, namespace, `nats://127.0.0.1:${proxy.port}`, {}, 'cut');
  await createConnection(api, namespace, mute.url, {}, 'mute');
  const manager = await jetstreamManager(connection);
  await addPools(manager);
  const ports = await freePorts(2);
  const port = at(ports, 0);
  await createConnection(api, namespace, `nats://127.0.0.1:${at(ports, 1)}`, {}, 'refused');
  await using _program = operator({
    KUBECONFIG: join(folder, 'admin'),
    PENSTOCK_NAMESPACES: namespace,
    PENSTOCK_LEASE_NAMESPACE: namespace,
    PENSTOCK_HTTP_HOST: '127.0.0.1',
    PENSTOCK_HTTP_PORT: `${port}`,
    PENSTOCK_PERIOD_SECONDS: `${periodSeconds}`,
    POD_NAME: 'operator',
  });
  const { direct, cut, mute: muted, refused } = pools;
  for (const pool of cut) publish(pool, 600);
  await until('the cut pools to be scaled', () => haveReplicas(cut, 3));
  await until(
    'all whose server answers to be ready',
    async () => readyPools(await scrape(port)) === direct.length + cut.length,
  );

  expect(proxy.silence()).toBeGreaterThan(0);
  const [before, beforeMs] = [await scrape(port), performance.now()];
  // What the cut pools do not see any more: nothing is left for them to do.
  await manager.streams.purge(stream);
  const [busy, ...quiet] = direct;
  publish(busy ?? '', 600);
  await until('one of the others to be scaled', async () => (await replicas(busy ?? '')) > 0);
  for (const [name, list] of Object.entries({ cut, mute: muted, refused })) {
    for (const pool of list) {
      const condition = await until(`${pool} to say that it sees nothing`, async () => {
        const now = await ready(pool);
        return now?.status === 'False' && now;
      });
      expect(condition.reason).toBe('SourceUnavailable');
      expect(condition.message).toContain(`(connection ${name})`);
    }
  }
  const after = await until('eight looks at each of the others', async () => {
    const now = await scrape(port);
    return looks(now) - looks(before) >= 8 * direct.length && now;
  });
  const periods = (performance.now() - beforeMs) / 1_000 / periodSeconds;
  const looked = looks(after) - looks(before);
  expect(looked / (periods * direct.length)).toBeGreaterThan(0.85);
  expect((looksWithinSecond(after) - looksWithinSecond(before)) / looked).toBeGreaterThanOrEqual(0.95);

  expect(mute.accepted()).toBeGreaterThan(0);
  expect(await haveReplicas(cut, 3)).toBe(true);
  expect(await haveReplicas([...muted, ...refused], 2)).toBe(true);
  expect(await haveReplicas(quiet.slice(0, 4), 0)).toBe(true);
  expect(readyPools(await scrape(port))).toBe(direct.length);
});
