import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { definitions } from '#crds/definitions.ts';
import { natsConnectionSpecSchema } from '#crds/nats-connection.ts';
import { longestMessage, mostConditions } from '#crds/worker-pool-status.ts';
import { workerPoolSpecSchema } from '#crds/worker-pool.ts';
import { until } from '../../builders/until.ts';
import { startApiServer } from '../../tools/apiServer.ts';
import type { ApiServer } from '../../tools/apiServer.ts';

const crdsPath = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const poolsPath = '/apis/penstock.dev/v1alpha1/namespaces/default/workerpools';
const connectionsPath = '/apis/penstock.dev/v1alpha1/namespaces/default/natsconnections';

let api: ApiServer;

beforeAll(async () => {
  api = await startApiServer();
  for (const definition of definitions()) {
    const created = await api.ask('POST', crdsPath, definition);
    expect(created, JSON.stringify(created.body)).toMatchObject({ status: 201 });
    await until(`${definition.metadata.name} to be served`, async () => {
      const { body } = await api.ask('GET', `${crdsPath}/${definition.metadata.name}`);
      return conditionsOf(body).some(({ type, status }) => type === 'Established' && status === 'True');
    });
  }
});
afterAll(() => api[Symbol.asyncDispose]());

type Condition = { type: string; status: string; message?: string };
type Resource = { status?: { conditions?: Condition[] }; spec: Record<string, unknown> };
const conditionsOf = (body: unknown): Condition[] => (body as Resource).status?.conditions ?? [];

const pool = {
  scaleTargetRef: { name: 'work' },
  sources: [{ connection: 'nats', stream: 'JOBS', consumer: 'work' }],
  maxReplicas: 5,
};
const schedule = {
  name: 'office',
  timeZone: 'Europe/Berlin',
  start: '0 8 * * 1-5',
  end: '0 18 * * 1-5',
  minReplicas: 2,
};
const source = { connection: 'nats', stream: 'JOBS', consumer: 'work' };

/** Whether the API server takes it, without storing it; unknown fields are refused, as kubectl asks for. */
async function serverTakes(path: string, kind: string, spec: unknown): Promise<boolean> {
  const resource = { apiVersion: 'penstock.dev/v1alpha1', kind, metadata: { name: 'case' }, spec };
  const { status, body } = await api.ask('POST', `${path}?dryRun=All&fieldValidation=Strict`, resource);
  if (status !== 201 && status !== 422 && status !== 400)
    throw new Error(`status ${status}: ${JSON.stringify(body)}`);
  return status === 201;
}

test('the schemas are structural, and no condition of the definitions complains', async () => {
  for (const definition of definitions()) {
    const { body } = await api.ask('GET', `${crdsPath}/${definition.metadata.name}`);
    const bad = conditionsOf(body).filter(({ type }) => type === 'NonStructuralSchema');
    expect(bad).toEqual([]);
  }
});

/** Of texts, of rules across fields, and of what is valid; crdFields.test.ts has what each field forbids by itself. */
describe('API server and zod agree on', () => {
  const cases: Record<string, unknown> = {
    'the least there is': pool,
    'two consumers of one stream': { ...pool, sources: [source, { ...source, consumer: 'other' }] },
    'more at least than at most': { ...pool, minReplicas: 6 },
    'as many at least as at most': { ...pool, minReplicas: 5 },
    'a stream with a wildcard': { ...pool, sources: [{ ...source, stream: '>' }] },
    'a stream with a dot': { ...pool, sources: [{ ...source, stream: 'a.b' }] },
    'a stream with a control character': { ...pool, sources: [{ ...source, stream: 'a\u0007b' }] },
    'a stream of other letters': { ...pool, sources: [{ ...source, stream: 'Aufträge' }] },
    'a target in another namespace': { ...pool, scaleTargetRef: { name: 'kube-system/coredns' } },
    'a target with percent signs': { ...pool, scaleTargetRef: { name: '%2e%2e' } },
    'every mode that exists': { ...pool, mode: 'ScaleUpOnly' },
    'a speed limit': {
      ...pool,
      behavior: { scaleUp: { policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] } },
    },
    'a fallback': { ...pool, fallback: { replicas: 5 } },
    'a fallback above the maximum': { ...pool, fallback: { replicas: 6 } },
    'a bound on the wait': { ...pool, objective: { wait: { percentile: 90, seconds: 5 } } },
    'a schedule': { ...pool, schedules: [schedule] },
    'a schedule above the maximum': { ...pool, schedules: [{ ...schedule, minReplicas: 6 }] },
    'a schedule of seconds': { ...pool, schedules: [{ ...schedule, start: '0 0 8 * * 1-5' }] },
    'a time zone with blanks': { ...pool, schedules: [{ ...schedule, timeZone: 'Mars Base' }] },
    'a pool that feeds another': { ...pool, feeds: ['encode'] },
    'a pool that feeds another namespace': { ...pool, feeds: ['media/encode'] },
    'a managed max_ack_pending': { ...pool, ackPending: { manage: true, min: 10, max: 500 } },
    'bounds of max_ack_pending that cross': { ...pool, ackPending: { manage: true, min: 501, max: 500 } },
    'guards of each kind': { ...pool, guards: { ackPending: 'Disabled', scheduling: 'Observe' } },
  };
  test.each(Object.entries(cases))('%s', async (_, given) => {
    // What JSON cannot carry is not there for zod either.
    const spec: unknown = JSON.parse(JSON.stringify(given));
    expect(await serverTakes(poolsPath, 'WorkerPool', spec)).toBe(
      workerPoolSpecSchema.safeParse(spec).success,
    );
  });

  const connections: Record<string, unknown> = {
    'an address': { servers: ['nats://nats.default.svc:4222'] },
    'an address with TLS': { servers: ['tls://nats:4222', 'wss://nats:443'] },
    'an address of the web': { servers: ['http://169.254.169.254/'] },
    'an address with user information': { servers: ['nats://me:secret@nats:4222'] },
    'an address that breaks the line': { servers: ['nats://nats\r\nSUB >'] },
    'each way to log in': { servers: ['nats://nats:4222'], token: { secretName: 'nats' } },
    'two ways to log in': {
      servers: ['nats://nats:4222'],
      token: { secretName: 'nats' },
      credentials: { secretName: 'nats' },
    },
    'a secret of another namespace': { servers: ['nats://nats:4222'], nkey: { secretName: 'other/nats' } },
    'a socket': { servers: ['unix:///var/run/nats.sock'] },
  };
  test.each(Object.entries(connections))('%s', async (_, spec) => {
    const schema: z.ZodType = natsConnectionSpecSchema;
    expect(await serverTakes(connectionsPath, 'NatsConnection', spec)).toBe(schema.safeParse(spec).success);
  });
});

describe('the API server', () => {
  const create = async (name: string): Promise<Resource> => {
    const resource = {
      apiVersion: 'penstock.dev/v1alpha1',
      kind: 'WorkerPool',
      metadata: { name },
      spec: pool,
    };
    const created = await api.ask('POST', poolsPath, resource);
    expect(created.status, JSON.stringify(created.body)).toBe(201);
    return created.body as Resource;
  };
  const merge = 'application/merge-patch+json';

  test('fills in the same defaults as zod', async () => {
    expect((await create('defaults')).spec).toEqual(workerPoolSpecSchema.parse(pool));
  });

  test('says what is wrong in words that help', async () => {
    await create('wrong');
    const { status, body } = await api.ask(
      'PATCH',
      `${poolsPath}/wrong`,
      { spec: { minReplicas: 9 } },
      merge,
    );
    expect(status).toBe(422);
    expect(JSON.stringify(body)).toContain('minReplicas must not exceed maxReplicas');
  });

  test('refuses another kind of target for a pool that exists', async () => {
    await create('target');
    const kind = { spec: { scaleTargetRef: { kind: 'StatefulSet' } } };
    const { status, body } = await api.ask('PATCH', `${poolsPath}/target`, kind, merge);
    expect(status).toBe(422);
    expect(JSON.stringify(body)).toContain('the kind of a target cannot change');
    const name = { spec: { scaleTargetRef: { name: 'elsewhere' } } };
    expect((await api.ask('PATCH', `${poolsPath}/target`, name, merge)).status).toBe(200);
  });

  test('keeps spec and status apart', async () => {
    await create('status');
    const status = { status: { desiredReplicas: 3, reason: 'BacklogGrew', arrivalsPerSecond: '12' } };
    expect((await api.ask('PATCH', `${poolsPath}/status`, status, merge)).body).not.toHaveProperty('status');
    const written = await api.ask('PATCH', `${poolsPath}/status/status`, status, merge);
    expect(written.body).toMatchObject(status);
    const shown = await api.ask('GET', `${poolsPath}/status`);
    expect(shown.body).toMatchObject(status);
  });

  test('bounds what a status may hold', async () => {
    await create('bounded');
    const path = `${poolsPath}/bounded/status`;
    expect(
      (await api.ask('PATCH', path, { status: { message: 'm'.repeat(longestMessage + 1) } }, merge)).status,
    ).toBe(422);
    expect(
      (await api.ask('PATCH', path, { status: { message: 'm'.repeat(longestMessage) } }, merge)).status,
    ).toBe(200);
    const condition = {
      status: 'True',
      reason: 'R',
      message: '',
      lastTransitionTime: '2026-01-02T03:04:05Z',
    };
    const many = Array.from({ length: mostConditions + 1 }, (_, i) => ({ ...condition, type: `T${i}` }));
    expect((await api.ask('PATCH', path, { status: { conditions: many } }, merge)).status).toBe(422);
  });
});
