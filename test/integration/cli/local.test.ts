import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fileURLToPath } from 'node:url';
import type { PassReport } from '../../../operator/report/passReport.ts';
import { isAlive, localPolicy } from '../../builders/localPolicy.ts';
import { penstock } from '../../builders/program.ts';
import type { Program } from '../../builders/program.ts';
import { until } from '../../builders/until.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import { freePort } from '../../tools/serverProcess.ts';
import type { NatsServer } from '../../tools/natsServer.ts';

let server: NatsServer;
let connection: NatsConnection;

beforeAll(async () => {
  server = await startNatsServer();
  connection = await connect({ servers: server.url });
});
afterAll(async () => {
  await connection.close();
  await server[Symbol.asyncDispose]();
});

const cli = fileURLToPath(new URL('../../../cli/main.ts', import.meta.url));
const handler = fileURLToPath(new URL('./fixtures/wait.ts', import.meta.url));
const workerCommand = [process.execPath, cli, 'worker', handler];
const environment = { PENSTOCK_LOG_LEVEL: 'error' };

async function createQueue(stream: string, consumers: readonly string[] = ['work']): Promise<void> {
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: stream, subjects: [`${stream}.>`] });
  for (const name of consumers) {
    await manager.consumers.add(stream, {
      durable_name: name,
      ack_policy: 'explicit',
      ...(consumers.length > 1 ? { filter_subject: `${stream}.${name}` } : {}),
    });
  }
}

async function publish(subject: string, count: number): Promise<void> {
  const js = jetstream(connection);
  await Promise.all(Array.from({ length: count }, () => js.publish(subject, JSON.stringify({ ms: 50 }))));
}

async function unresolved(stream: string, consumer = 'work'): Promise<number> {
  const info = await (await jetstreamManager(connection)).consumers.info(stream, consumer);
  return info.num_pending + info.num_ack_pending;
}

function reports(program: Program, pool = 'default/work'): PassReport[] {
  return program
    .stdout()
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as PassReport)
    .filter((report) => report.pool === pool);
}

const ready = (report: PassReport | undefined): number => report?.replicas.ready ?? 0;

describe('penstock local', () => {
  test('scales from zero, works the queue off, goes back to zero, and ends with nothing left running', async () => {
    await createQueue('UPDOWN');
    await using policy = await localPolicy({ url: server.url, stream: 'UPDOWN', command: workerCommand });
    await using program = penstock(['local', '-f', policy.file, '--json'], environment);
    await until('the pool to be seen at zero', () =>
      reports(program).some(({ conditions }) =>
        conditions.some(({ type, status }) => type === 'Ready' && status === 'True'),
      ),
    );
    expect(reports(program).every(({ replicas }) => replicas.desired === 0)).toBe(true);

    await publish('UPDOWN.job', 100);
    await until('a ready replica', () => reports(program).some((report) => ready(report) > 0));
    await until('the queue to be empty', async () => (await unresolved('UPDOWN')) === 0);
    await until('zero replicas', () => {
      const last = reports(program).at(-1);
      return last?.replicas.desired === 0 && last.replicas.ready === 0 && last.replicas.terminating === 0;
    });
    const scaled = reports(program).filter(({ outcome }) => outcome?.kind === 'scaled');
    expect(scaled[0]?.decision).toMatchObject({ kind: 'scale', from: 0, reason: 'WokeFromZero' });
    expect(scaled.at(-1)?.decision).toMatchObject({ kind: 'scale', to: 0 });
    const { num_redelivered } = await (await jetstreamManager(connection)).consumers.info('UPDOWN', 'work');
    expect(num_redelivered).toBe(0);

    program.child.kill('SIGTERM');
    expect(await program.ended).toBe(0);
  });

  test('runs several pools side by side, each by its own demand', async () => {
    await createQueue('SIDE', ['left', 'right']);
    await using policy = await localPolicy({
      url: server.url,
      stream: 'SIDE',
      command: workerCommand,
      pools: ['left', 'right'],
    });
    await using program = penstock(['local', '-f', policy.file, '--json'], environment);
    await publish('SIDE.left', 40);
    await until('the left queue to be empty', async () => (await unresolved('SIDE', 'left')) === 0);
    expect(reports(program, 'default/left').some((report) => ready(report) > 0)).toBe(true);
    expect(reports(program, 'default/right').every(({ replicas }) => replicas.desired === 0)).toBe(true);
    program.child.kill('SIGINT');
    expect(await program.ended).toBe(0);
  });

  test('a crash of the operator leaves no replica behind', async () => {
    await createQueue('CRASH');
    await using policy = await localPolicy({ url: server.url, stream: 'CRASH', minReplicas: 3 });
    await using program = penstock(['local', '-f', policy.file, '--json'], environment);
    const lives = await until('three replicas', async () => {
      const records = (await policy.records()).filter(({ what }) => what === 'lives');
      return records.length === 3 && records;
    });
    program.child.kill('SIGKILL');
    expect(await program.ended).toBe('SIGKILL');
    await until('the replicas to end', () => lives.every(({ pid }) => !isAlive(pid)));
    const asked = (await policy.records()).filter(({ what }) => what === 'asked');
    expect(asked).toHaveLength(3);
  });

  test('a second signal ends replicas that would take their time', async () => {
    await createQueue('TWICE');
    await using policy = await localPolicy({
      url: server.url,
      stream: 'TWICE',
      minReplicas: 2,
      env: { MODE: 'stubborn' },
      graceSeconds: 600,
    });
    await using program = penstock(['local', '-f', policy.file, '--json'], environment);
    await until('two replicas', async () => (await policy.records()).length === 2);
    program.child.kill('SIGTERM');
    await until(
      'both to be asked',
      async () => (await policy.records()).filter(({ what }) => what === 'asked').length === 2,
    );
    program.child.kill('SIGTERM');
    expect(await program.ended).toBe(0);
    expect((await policy.records()).some(({ pid }) => isAlive(pid))).toBe(false);
  });

  test('a consumer that does not exist is a condition, not a crash, and is found when it comes', async () => {
    await using policy = await localPolicy({ url: server.url, stream: 'LATE', command: workerCommand });
    await using program = penstock(['local', '-f', policy.file, '--json'], environment);
    const report = await until('the condition', () =>
      reports(program).find(({ decision }) => decision.reason === 'ConsumerMissing'),
    );
    expect(report.decision.kind).toBe('hold');
    expect(report.signals.backlogMessages).toBeNull();
    expect(report.conditions).toContainEqual(expect.objectContaining({ type: 'Ready', status: 'False' }));
    await createQueue('LATE');
    await publish('LATE.job', 3);
    await until('the work to be done', async () => (await unresolved('LATE')) === 0);
  });

  test('a NATS server that goes away holds the replicas, and scaling goes on when it is back', async () => {
    await using fragile = await startNatsServer();
    await using policy = await localPolicy({ url: fragile.url, stream: 'GONE', minReplicas: 2 });
    await using program = penstock(['local', '-f', policy.file, '--json'], environment);
    await until('two replicas', () => reports(program).some(({ replicas }) => replicas.desired === 2));
    await fragile.signal('SIGKILL');
    const before = reports(program).length;
    await until('passes without a source', () => {
      const later = reports(program).slice(before);
      return later.filter(({ signals }) => signals.backlogMessages === null).length >= 2;
    });
    expect(reports(program).at(-1)?.replicas.desired).toBe(2);
    await fragile.start();
    await until('the server to be seen again', () =>
      reports(program)
        .at(-1)
        ?.conditions.some(({ reason }) => reason === 'ConsumerMissing'),
    );
  });

  test('a server that never answers costs only its own pool', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    await createQueue('HEARD', ['work']);
    await using unheard = await localPolicy({
      url: `nats://127.0.0.1:${port}`,
      stream: 'UNHEARD',
      pools: ['unheard'],
    });
    await using heard = await localPolicy({ url: server.url, stream: 'HEARD', command: workerCommand });
    // The connections of both files have one name, so each file gets a namespace of its own.
    const text = await readFile(unheard.file, 'utf8');
    await writeFile(unheard.file, text.replaceAll('"metadata":{', '"metadata":{"namespace":"unheard",'));
    await using program = penstock(['local', '-f', unheard.file, heard.file, '--json'], environment);
    await publish('HEARD.job', 20);
    await until('the work to be done', async () => (await unresolved('HEARD')) === 0);
    const reasons = reports(program, 'unheard/unheard').map(({ conditions }) => conditions[0]?.reason);
    expect(new Set(reasons)).toEqual(new Set(['SourceUnavailable']));
    program.child.kill('SIGTERM');
    expect(await program.ended).toBe(0);
    silent.close();
  });

  test('--once measures, prints and starts nothing', async () => {
    await createQueue('ONCE');
    await publish('ONCE.job', 7);
    await using policy = await localPolicy({ url: server.url, stream: 'ONCE' });
    await using program = penstock(['local', '-f', policy.file, '--once', '--json'], environment);
    expect(await program.ended).toBe(0);
    const [report, ...more] = reports(program);
    expect(more).toEqual([]);
    expect(report).toMatchObject({
      signals: { backlogMessages: 7 },
      decision: { kind: 'scale', from: 0 },
      outcome: null,
    });
    expect(await policy.records()).toEqual([]);
  });

  test('--once without --json is a line for a person; what could not be measured is exit code 1', async () => {
    await using policy = await localPolicy({ url: server.url, stream: 'NEVER' });
    await using program = penstock(['local', '-f', policy.file, '--once'], environment);
    expect(await program.ended).toBe(1);
    expect(program.stdout()).toMatch(/default\/work {2}replicas 0\/0 {2}backlog \?.*ConsumerMissing/);
  });

  test('metrics tell the same story', async () => {
    await createQueue('METRICS');
    await using policy = await localPolicy({ url: server.url, stream: 'METRICS', minReplicas: 1 });
    const port = await freePort();
    await using program = penstock(
      ['local', '-f', policy.file, '--json', '--http-port', `${port}`],
      environment,
    );
    const body = await until('the metric of the replica', async () => {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      return text.includes('penstock_pool_replicas{pool="default/work",state="ready"} 1\n') && text;
    });
    expect(body).toMatch(/penstock_pool_backlog_messages\{pool="default\/work"\} 0\n/);
    expect(body).toMatch(/penstock_pool_condition\{pool="default\/work",type="Ready"\} 1\n/);
    expect(body).toMatch(/penstock_pool_scales_total\{.*direction="up".*\} 1\n/);
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    expect((await fetch(`http://127.0.0.1:${port}/nothing`)).status).toBe(404);
    program.child.kill('SIGTERM');
    expect(await program.ended).toBe(0);
  });
});
