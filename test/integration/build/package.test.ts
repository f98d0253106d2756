import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { JetStreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fromRoot, run } from '../../builders/program.ts';
import { until } from '../../builders/until.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';

const execute = promisify(execFile);

/** A project that knows nothing but the tarball. */
let project: string;
let nats: NatsServer;
let connection: NatsConnection;
let manager: JetStreamManager;

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'penstock-package-'));
  await execute('npm', ['pack', '--pack-destination', project], { cwd: fromRoot('') });
  const tarball = (await readdir(project)).find((name) => name.endsWith('.tgz')) ?? 'none';
  const { stdout } = await execute('tar', ['-xzOf', join(project, tarball), 'package/package.json']);
  const { dependencies } = JSON.parse(stdout) as { dependencies: Record<string, string> };
  // What the tarball depends on is there already, so that npm needs no network; it still checks the ranges.
  for (const name of Object.keys(dependencies)) await copyPackage(name);
  await writeFile(join(project, 'package.json'), '{ "name": "project", "private": true, "type": "module" }');
  await execute('npm', ['install', '--offline', '--no-audit', '--no-fund', `./${tarball}`], { cwd: project });

  // npm removes what nothing depends on.
  await copyPackage('@types/node');

  nats = await startNatsServer();
  connection = await connect({ servers: nats.url });
  manager = await jetstreamManager(connection);
});
afterAll(async () => {
  await connection.close();
  await nats[Symbol.asyncDispose]();
  await rm(project, { recursive: true, force: true });
});

/** With all that it needs in turn. */
async function copyPackage(name: string): Promise<void> {
  const to = join(project, 'node_modules', name);
  if (await mkdir(to, { recursive: true }).then((made) => made === undefined)) return;
  const from = fromRoot(`node_modules/${name}`);
  await cp(from, to, { recursive: true });
  const { dependencies = {} } = JSON.parse(await readFile(join(from, 'package.json'), 'utf8')) as {
    dependencies?: Record<string, string>;
  };
  for (const needed of Object.keys(dependencies)) await copyPackage(needed);
}

async function createQueue(name: string, ...jobs: string[]): Promise<void> {
  await manager.streams.add({ name, subjects: [`${name}.>`], retention: 'workqueue' });
  for (const job of jobs) await jetstream(connection).publish(`${name}.job`, job);
}

const isWorkedOff = async (name: string): Promise<boolean> =>
  (await manager.streams.info(name)).state.messages === 0;

test('it holds what it should, and nothing of tests and tools', async () => {
  const files = await readdir(join(project, 'node_modules/penstock'), { recursive: true });
  expect(files.filter((name) => /(^|\/)(test|bench|operator|demo)\//.test(name))).toEqual([]);
  expect(files.filter((name) => /(?<!\.d)\.ts$/.test(name))).toEqual([]);
  expect(files).toContain('types/worker/index.d.ts');
  const manifest = JSON.parse(
    await readFile(join(project, 'node_modules/penstock/package.json'), 'utf8'),
  ) as object;
  expect(manifest).not.toHaveProperty('devDependencies');
  expect(manifest).not.toHaveProperty('optionalDependencies');
});

test('a worker of ten lines in JavaScript runs', async () => {
  await createQueue('JAVASCRIPT', '{"n":1}', '{"n":2}', 'no JSON');
  const file = join(project, 'worker.js');
  await writeFile(
    file,
    `import { runWorker } from 'penstock/worker';
     const worker = await runWorker(
       { stream: 'JAVASCRIPT', consumer: 'work', nats: { servers: [process.argv[2]] }, createConsumer: {} },
       (job) => {
         console.log('RUN', job.json().n);
       },
     );
     process.on('SIGTERM', () => worker.stop());
     await worker.done;`,
  );
  await using worker = run(file, [nats.url]);
  await until('all jobs to be settled', () => isWorkedOff('JAVASCRIPT'));
  worker.child.kill('SIGTERM');
  expect(await worker.ended, worker.stderr()).toBe(0);
  expect(worker.stdout().match(/RUN \d/g)).toEqual(['RUN 1', 'RUN 2']);
});

test('a handler module runs by the program, in threads of it', async () => {
  await createQueue('PROGRAM', 'one', 'two');
  const handler = join(project, 'handler.js');
  await writeFile(
    handler,
    `export default (job, { logger }) => logger.info({ sequence: job.sequence }, 'ran');`,
  );
  await using worker = run(join(project, 'node_modules/.bin/penstock-worker'), [handler], {
    NATS_URL: nats.url,
    PENSTOCK_STREAM: 'PROGRAM',
    PENSTOCK_CONSUMER: 'work',
    PENSTOCK_CREATE_CONSUMER: 'true',
    PENSTOCK_HANDLER_THREADS: 'true',
    PENSTOCK_HTTP_PORT: 'off',
  });
  await until('all jobs to be settled', () => isWorkedOff('PROGRAM'));
  worker.child.kill('SIGTERM');
  expect(await worker.ended, worker.stderr()).toBe(0);
  expect(worker.stdout().match(/"msg":"ran"/g)).toHaveLength(2);
});

test('a worker and a test in TypeScript are checked against its types', async () => {
  await writeFile(
    join(project, 'worker.ts'),
    `import { Discard, runWorker } from 'penstock/worker';
     import type { Handler } from 'penstock/worker';
     import { runJob } from 'penstock/worker/testing';
     const resize: Handler = async (job, { signal, logger, publish }) => {
       if (job.headers.get('tenant') === undefined) throw new Discard('no tenant');
       signal.throwIfAborted();
       logger.info({ sequence: job.sequence.toFixed() }, 'resized');
       // @ts-expect-error -- a job has no such field
       job.nothing;
       // @ts-expect-error -- a message needs a subject
       await publish({ data: 'x' });
     };
     const worker = await runWorker({ stream: 'S', consumer: 'C', slots: 4 }, resize);
     // @ts-expect-error -- the stream is a name
     await runWorker({ stream: 1, consumer: 'C' }, resize);
     const { succeeded }: { succeeded: number } = await worker.done;
     const outcome = await runJob(resize, { payload: { n: succeeded } }).outcome;
     if (outcome.kind === 'retry') outcome.delayMs.toFixed();
     // @ts-expect-error -- there is no such outcome
     if (outcome.kind === 'gone') throw new Error();`,
  );
  const settings = {
    module: 'nodenext',
    target: 'es2024',
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: ['node'],
  };
  await writeFile(
    join(project, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: settings, files: ['worker.ts'] }),
  );
  const checked = execute(fromRoot('node_modules/.bin/tsc'), ['-p', project], { cwd: project });
  await expect(
    checked.catch((error: unknown) => (error as { stdout: string }).stdout),
  ).resolves.toMatchObject({
    stdout: '',
  });
});
