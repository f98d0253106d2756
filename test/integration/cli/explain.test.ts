import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Explanation } from '../../../operator/report/explain.ts';
import { localPolicy } from '../../builders/localPolicy.ts';
import { penstock } from '../../builders/program.ts';
import { until } from '../../builders/until.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import type { NatsServer } from '../../tools/natsServer.ts';
import { freePort } from '../../tools/serverProcess.ts';

let server: NatsServer;
let folder: string;
beforeAll(async () => {
  server = await startNatsServer();
  folder = await mkdtemp(join(tmpdir(), 'penstock-explain-'));
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function run(...args: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  await using program = penstock(['explain', ...args]);
  const code = await program.ended;
  return { code, stdout: program.stdout(), stderr: program.stderr() };
}

test('a paused consumer is explained by the running operator, and afterwards from its record', async () => {
  const connection = await connect({ servers: server.url });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: 'PAUSED', subjects: ['PAUSED.>'] });
  await manager.consumers.add('PAUSED', {
    durable_name: 'work',
    ack_policy: 'explicit',
    pause_until: new Date(Date.now() + 3_600_000).toISOString(),
  });
  await jetstream(connection).publish('PAUSED.job', '{}');
  await connection.close();
  await using policy = await localPolicy({ url: server.url, stream: 'PAUSED', minReplicas: 1 });
  const port = await freePort();
  const record = join(folder, 'passes.jsonl');
  await using operator = penstock(
    ['local', '-f', policy.file, '--http-port', `${port}`, '--record', record],
    { PENSTOCK_LOG_LEVEL: 'error' },
  );
  const url = `http://127.0.0.1:${port}`;
  const explanation = await until('an explanation', async () => {
    const { code, stdout } = await run('work', '--url', url, '--json');
    const parsed = code === 0 ? (JSON.parse(stdout) as Explanation) : undefined;
    return parsed?.conditions.some(({ type }) => type === 'WorkersIdle') ? parsed : undefined;
  });
  expect(explanation.pool).toBe('default/work');
  expect(explanation.figures[1]?.figures[0]).toMatchObject({ name: 'pending', value: 1, unit: 'messages' });
  const page = await run('default/work', '--url', url);
  expect(page.stdout).toMatch(/WorkersIdle True .*the consumer is paused: resume it/);
  const list = await (await fetch(`${url}/pools`)).json();
  expect(list).toMatchObject([{ pool: 'default/work' }]);

  operator.child.kill('SIGTERM');
  expect(await operator.ended).toBe(0);
  const later = await run(record, '--json');
  expect(later.code).toBe(0);
  const fromRecord = JSON.parse(later.stdout) as Explanation;
  expect(fromRecord.conditions).toContainEqual(expect.objectContaining({ type: 'WorkersIdle' }));
});

test.each([
  {
    title: 'nobody who answers',
    args: ['work', '--url', 'http://127.0.0.1:1'],
    code: 1,
    says: /penstock: ExplainFailed: asking http:\/\/127.0.0.1:1 about pool default\/work: .*--url says where/,
  },
  { title: 'a URL that is none', args: ['work', '--url', '8080'], code: 2, says: /"8080" is not a URL/ },
  { title: 'a time that is none', args: ['work', '--time', 'noon'], code: 2, says: /"noon" is not a time/ },
  {
    title: 'a file that is no record',
    args: ['package.json'],
    code: 2,
    says: /package.json:1: this is no record/,
  },
  {
    title: 'a path that leads to no file',
    args: ['./records/none.jsonl'],
    code: 2,
    says: /InvalidRecord: .*none\.jsonl is no file, and no name of a pool; give NAME/,
  },
  { title: 'a folder', args: ['/tmp'], code: 2, says: /InvalidRecord: \/tmp is no file/ },
])('$title is an error that helps', async ({ args, code, says }) => {
  const result = await run(...args);
  expect(result.stderr).toMatch(says);
  expect(result.code).toBe(code);
});
