import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { ConsumerConfig, JetStreamClient } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PassReport } from '../../../operator/report/passReport.ts';
import { fromRoot, penstock } from '../../builders/program.ts';
import type { Program } from '../../builders/program.ts';
import { until } from '../../builders/until.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';

/**
 * Queues that pile up for different causes, side by side under one operator, with real workers as local processes:
 * each must be told apart from the others.
 */
type Cause = {
  readonly maxReplicas: number;
  readonly slots: number;
  /** Run time that the policy assumes, milliseconds. */
  readonly takesMs: number;
  /** Jobs that are published per second. */
  readonly perSecond: number;
  readonly env: Readonly<Record<string, string>>;
  readonly consumer?: Partial<ConsumerConfig>;
  readonly spec?: object;
};

const capPerSecond = 20;
const jobMs = 1_000;
const cappedSlots = 4;
/** By Little's law, as many slots are of use as jobs get through while one of them runs. */
const usefulReplicas = (capPerSecond * jobMs) / 1_000 / cappedSlots;

let server: NatsServer;
let connection: NatsConnection;
let folder: string;
let operator: Program;
const dependency = startDependency();
const producers: NodeJS.Timeout[] = [];

const causes = (dependencyUrl: string): Readonly<Record<string, Cause>> => ({
  capped: {
    maxReplicas: 12,
    slots: cappedSlots,
    takesMs: jobMs,
    perSecond: 30,
    env: { DEPENDENCY: `${dependencyUrl}/capped` },
  },
  storm: {
    maxReplicas: 3,
    slots: 4,
    takesMs: 100,
    perSecond: 10,
    env: { TAKES_MS: '100', DEPENDENCY: `${dependencyUrl}/failing` },
  },
  paused: {
    maxReplicas: 4,
    slots: 2,
    takesMs: 100,
    perSecond: 2,
    env: { TAKES_MS: '100' },
    consumer: { pause_until: new Date(Date.now() + 3_600_000).toISOString() },
    spec: { minReplicas: 1 },
  },
  limited: {
    maxReplicas: 6,
    slots: 4,
    takesMs: 1_000,
    perSecond: 8,
    env: { TAKES_MS: '1000' },
    consumer: { max_ack_pending: 4 },
  },
  first: {
    maxReplicas: 4,
    slots: 4,
    takesMs: 100,
    perSecond: 5,
    env: { TAKES_MS: '100', HAND_ON_TO: 'second' },
    spec: { feeds: ['second'] },
  },
  second: {
    maxReplicas: 1,
    slots: 1,
    takesMs: 500,
    perSecond: 0,
    env: { TAKES_MS: '500' },
    spec: { objective: { drainSeconds: 5 } },
  },
});

beforeAll(async () => {
  const pools = causes(await dependency.url);
  server = await startNatsServer();
  connection = await connect({ servers: server.url });
  folder = await mkdtemp(join(tmpdir(), 'penstock-causes-'));
  const manager = await jetstreamManager(connection);
  for (const [name, { consumer }] of Object.entries(pools)) {
    await manager.streams.add({ name, subjects: [`${name}.>`], max_msgs: 1_000_000, discard: 'new' });
    await manager.consumers.add(name, { durable_name: 'work', ack_policy: 'explicit', ...consumer });
  }
  const file = join(folder, 'policy.yaml');
  await writeFile(file, policyOf(pools, server.url));
  operator = penstock(['local', '-f', file, '--json'], { PENSTOCK_LOG_LEVEL: 'error' });
  const client = jetstream(connection);
  for (const [name, { perSecond }] of Object.entries(pools))
    producers.push(...produce(client, name, perSecond));
});

afterAll(async () => {
  producers.forEach((producer) => clearInterval(producer));
  operator.child.kill('SIGTERM');
  await operator.ended;
  await connection.close();
  await server[Symbol.asyncDispose]();
  await dependency.close();
  await rm(folder, { recursive: true, force: true });
});

function policyOf(pools: Readonly<Record<string, Cause>>, url: string): string {
  const apiVersion = 'penstock.dev/v1alpha1';
  const command = [process.execPath, fromRoot('cli/main.ts'), 'worker'];
  command.push(fromRoot('test/integration/operator/fixtures/callDependency.ts'));
  const documents = Object.entries(pools).flatMap(([name, { maxReplicas, slots, takesMs, env, spec }]) => [
    {
      apiVersion,
      kind: 'WorkerPool',
      metadata: { name },
      spec: {
        scaleTargetRef: { apiVersion, kind: 'LocalProcess', name },
        sources: [{ connection: 'nats', stream: name, consumer: 'work' }],
        maxReplicas,
        prior: { concurrency: slots, serviceMilliseconds: takesMs, startSeconds: 1 },
        ...spec,
      },
    },
    {
      apiVersion,
      kind: 'LocalProcess',
      metadata: { name },
      spec: {
        command,
        env: {
          PENSTOCK_SLOTS: `${slots}`,
          PENSTOCK_PREFETCH: '0',
          PENSTOCK_MAX_ATTEMPTS: '50',
          PENSTOCK_LOG_LEVEL: 'silent',
          ...env,
        },
        terminationGracePeriodSeconds: 10,
      },
    },
  ]);
  const nats = { apiVersion, kind: 'NatsConnection', metadata: { name: 'nats' }, spec: { servers: [url] } };
  return [nats, ...documents].map((document) => JSON.stringify(document)).join('\n---\n');
}

function produce(client: JetStreamClient, name: string, perSecond: number): NodeJS.Timeout[] {
  if (perSecond === 0) return [];
  const publish = (): void => {
    client.publish(`${name}.job`, '{}').catch(() => undefined); // The server ends before the last interval does.
  };
  return [setInterval(publish, 1_000 / perSecond)];
}

type Dependency = {
  readonly url: Promise<string>;
  isCapped: boolean;
  close(): Promise<void>;
};

/** `/capped` answers after a job's time, but lets in no more than so many a second; `/failing` fails two of three. */
function startDependency(): Dependency {
  let [freeMs, calls] = [0, 0];
  const answer = (response: ServerResponse, status: number, inMs: number): void => {
    setTimeout(() => response.writeHead(status).end(), inMs);
  };
  const http = createServer((request, response) => {
    if (request.url === '/failing') {
      calls += 1;
      answer(response, calls % 3 === 0 ? 200 : 503, 0);
      return;
    }
    const nowMs = performance.now();
    const turnMs = state.isCapped ? Math.max(nowMs, freeMs) : nowMs;
    freeMs = turnMs + 1_000 / capPerSecond;
    answer(response, 200, turnMs - nowMs + jobMs);
  });
  const state: Dependency = {
    url: once(http.listen(0, '127.0.0.1'), 'listening').then(
      () => `http://127.0.0.1:${(http.address() as AddressInfo).port}`, // A TCP server that listens has one.
    ),
    isCapped: true,
    async close() {
      http.closeAllConnections();
      await new Promise<void>((resolve) => http.close(() => resolve()));
    },
  };
  return state;
}

/** The reports of a pool, oldest first. */
const reports = (pool: string): PassReport[] =>
  operator
    .stdout()
    .split('\n')
    .slice(0, -1)
    .flatMap((line) => (line.includes(`"pool":"default/${pool}"`) ? (JSON.parse(line) as PassReport) : []));

type Condition = PassReport['conditions'][number];
const conditionOf = (report: PassReport | undefined, type: string): Condition | undefined =>
  report?.conditions.find((condition) => condition.type === type);

const guardConditions = [
  'DownstreamSaturated',
  'RetryAmplified',
  'WorkersIdle',
  'AckWaitTooShort',
  'PoisonMessages',
  'AckPendingLimited',
  'StageBlocked',
  'ReplicasFailing',
  'Unschedulable',
];

/** Guards that have found anything for certain, ever. */
const found = (pool: string): Set<string> =>
  new Set(
    reports(pool).flatMap(({ conditions }) =>
      conditions
        .filter(({ type, status }) => guardConditions.includes(type) && status === 'True')
        .map(({ type }) => type),
    ),
  );

const certain = (pool: string, type: string, withinMs: number): Promise<Condition> =>
  until(
    `${type} of ${pool}`,
    () => {
      const condition = conditionOf(reports(pool).at(-1), type);
      return condition?.status === 'True' && condition;
    },
    withinMs,
  );

describe('queues that pile up', () => {
  test.each([
    {
      title: 'attempts that fail',
      pool: 'storm',
      type: 'RetryAmplified',
      says: /attempts per job that succeeds/,
    },
    {
      title: 'a paused consumer',
      pool: 'paused',
      type: 'WorkersIdle',
      says: /the consumer is paused: resume it/,
    },
    {
      title: 'a limit of unacknowledged messages',
      pool: 'limited',
      type: 'AckPendingLimited',
      says: /4 of max_ack_pending 4 in use, enough for 1 replicas/,
    },
    {
      title: 'a stage that is too slow',
      pool: 'first',
      type: 'StageBlocked',
      says: /pool default\/second, which this one feeds, cannot take more \(IntakeExceedsCapacity\)/,
    },
  ])('because of $title say so', async ({ pool, type, says }) => {
    const { message } = await certain(pool, type, 120_000);
    expect(message).toMatch(says);
  });

  test('in a slow stage are explained by its maximum, with figures', () => {
    const outlook = conditionOf(reports('second').at(-1), 'ObjectiveReachable');
    expect(outlook).toMatchObject({ status: 'False', reason: 'IntakeExceedsCapacity' });
    expect(outlook?.message).toMatch(/raise maxReplicas to [2-6], or take in no more than (1\.\d|2\.\d)\/s/);
  });

  test(`because of a dependency that lets through ${capPerSecond}/s get no more replicas within 3 minutes`, async () => {
    const [, perSecond, useful] = await until(
      'the useful replicas',
      () => {
        const { status, message = '' } = conditionOf(reports('capped').at(-1), 'DownstreamSaturated') ?? {};
        const said = /lets through ([\d.]+) jobs\/s, for which (\d+) replicas? would do/.exec(message);
        return status === 'True' && said;
      },
      180_000,
    );
    expect(Number(perSecond)).toBeGreaterThan(0.85 * capPerSecond);
    expect(Number(perSecond)).toBeLessThan(1.15 * capPerSecond);
    expect(Math.abs(Number(useful) - usefulReplicas)).toBeLessThanOrEqual(1);
    const held = reports('capped').at(-1)?.decision.to ?? Number.NaN;
    expect(held).toBeLessThanOrEqual(Math.ceil(1.25 * (usefulReplicas + 1)));
  }, 200_000);

  test('are worked off within 2 minutes more once the dependency has no limit', async () => {
    const before = reports('capped').length;
    const held = reports('capped').at(-1)?.decision.to ?? Number.NaN;
    dependency.isCapped = false;
    await until(
      'more replicas, and no verdict',
      () => {
        const later = reports('capped').slice(before);
        const isReleased = conditionOf(later.at(-1), 'DownstreamSaturated')?.status !== 'True';
        return isReleased && later.some(({ decision }) => (decision.to ?? 0) > held);
      },
      120_000,
    );
  }, 140_000);

  test.each([
    { pool: 'storm', only: ['RetryAmplified'] },
    { pool: 'paused', only: ['WorkersIdle'] },
    { pool: 'limited', only: ['AckPendingLimited'] },
    { pool: 'first', only: ['StageBlocked'] },
    { pool: 'second', only: [] },
    { pool: 'capped', only: ['DownstreamSaturated'] },
  ])('have had no other cause named all the while: $pool', ({ pool, only }) => {
    expect([...found(pool)]).toEqual(only);
  });
});
