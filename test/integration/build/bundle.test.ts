import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { JetStreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  createConnection,
  createDeployment,
  createNamespace,
  createPool,
  installCrds,
  must,
} from '../../builders/kubernetesRig.ts';
import { fromRoot, run } from '../../builders/program.ts';
import { until } from '../../builders/until.ts';
import { startApiServer } from '../../tools/apiServer.ts';
import { kubeconfig } from '../../tools/controlPlane.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';

/** Far from the sources and from node_modules, laid out as in the images. */
let folder: string;
let nats: NatsServer;
let connection: NatsConnection;
let manager: JetStreamManager;

const operatorProgram = (): string => join(folder, 'operator/main.mjs');
const workerProgram = (): string => join(folder, 'node_modules/penstock/main.mjs');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'penstock-bundle-'));
  await using bundling = run(fromRoot('build/bundle.ts'), [folder]);
  expect(await bundling.ended, bundling.stderr()).toBe(0);
  await mkdir(join(folder, 'node_modules'));
  await rename(join(folder, 'worker'), join(folder, 'node_modules/penstock'));
  nats = await startNatsServer();
  connection = await connect({ servers: nats.url });
  manager = await jetstreamManager(connection);
});
afterAll(async () => {
  await connection.close();
  await nats[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function createQueue(name: string): Promise<void> {
  await manager.streams.add({ name, subjects: [`${name}.>`] });
  await manager.consumers.add(name, { durable_name: 'work', ack_policy: 'explicit' });
}

test.each([
  ['in itself', 1],
  ['in threads', 2],
])('the worker runs a handler module %s, and stops in order', async (where, deadLetters) => {
  const handler = join(folder, 'handler.mjs');
  await writeFile(
    handler,
    `import { Discard } from 'penstock/worker';
     export default (job) => {
       const text = new TextDecoder().decode(job.data);
       if (text === 'bad') throw new Discard('it is bad');
     };`,
  );
  const stream = where.replace(' ', '-');
  await createQueue(stream);
  for (const text of ['good', 'bad', 'good']) await jetstream(connection).publish(`${stream}.job`, text);
  await using worker = run(workerProgram(), [handler], {
    NATS_URL: nats.url,
    PENSTOCK_STREAM: stream,
    PENSTOCK_CONSUMER: 'work',
    PENSTOCK_HANDLER_THREADS: `${where === 'in threads'}`,
    PENSTOCK_DEAD_LETTER_STREAM: 'DEAD',
    PENSTOCK_HTTP_PORT: '0',
    PENSTOCK_HTTP_HOST: '127.0.0.1',
  });
  await until('every job to be settled', async () => {
    const { num_pending, num_ack_pending } = await manager.consumers.info(stream, 'work');
    return num_pending === 0 && num_ack_pending === 0;
  });
  expect((await manager.streams.info('DEAD')).state.messages).toBe(deadLetters);
  worker.child.kill('SIGTERM');
  expect(await worker.ended, worker.stderr()).toBe(0);
});

test('the worker says in one line what is wrong', async () => {
  await using worker = run(workerProgram(), ['/nowhere.mjs'], {
    PENSTOCK_STREAM: 'JOBS',
    PENSTOCK_CONSUMER: 'work',
  });
  expect(await worker.ended).toBe(2);
  expect(worker.stderr()).toMatch(
    /^penstock worker: HandlerNotFound: no handler module at \/nowhere\.mjs.*\n$/,
  );
});

test('the intake starts from its own program, and refuses settings that are wrong by exit code 2', async () => {
  await using intake = run(join(folder, 'node_modules/penstock/intake.mjs'), [], {
    PENSTOCK_INTAKE_ROUTES: '/jobs',
  });
  expect(await intake.ended).toBe(2);
  expect(intake.stderr()).toMatch(
    /^penstock intake: InvalidConfiguration: .*\n {2}PENSTOCK_INTAKE_ROUTES=\/jobs/,
  );
});

test('the operator refuses settings that are wrong, by exit code 2', async () => {
  await using operator = run(operatorProgram(), [], { PENSTOCK_PERIOD_SECONDS: 'often' });
  expect(await operator.ended).toBe(2);
  expect(operator.stderr()).toMatch(
    /^penstock-operator: InvalidConfiguration: .*\n {2}PENSTOCK_PERIOD_SECONDS=often/,
  );
});

test('the operator scales on a real API server', async () => {
  await using api = await startApiServer();
  await installCrds(api);
  const namespace = await createNamespace(api);
  await createQueue('SCALED');
  await createConnection(api, namespace, nats.url);
  await createDeployment(api, namespace, 'work');
  await createPool(api, namespace, 'work', {
    sources: [{ connection: 'nats', stream: 'SCALED', consumer: 'work' }],
    minReplicas: 2,
  });
  await writeFile(join(folder, 'kubeconfig'), kubeconfig(api.url, await api.certificate(), api.tokens.admin));
  await using operator = run(operatorProgram(), [], {
    KUBECONFIG: join(folder, 'kubeconfig'),
    PENSTOCK_NAMESPACES: namespace,
    PENSTOCK_LEASE_NAMESPACE: namespace,
    PENSTOCK_HTTP_HOST: '127.0.0.1',
    PENSTOCK_HTTP_PORT: '0',
  });
  await until('two replicas', async () => {
    const scale = `/apis/apps/v1/namespaces/${namespace}/deployments/work/scale`;
    return ((await must(api, 'GET', scale)) as { spec: { replicas?: number } }).spec.replicas === 2;
  });
  operator.child.kill('SIGTERM');
  expect(await operator.ended, operator.stderr()).toBe(0);
});
