import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { localPolicy } from '../../builders/localPolicy.ts';
import { penstock } from '../../builders/program.ts';
import { startNatsServer } from '../../tools/natsServer.ts';
import { freePort } from '../../tools/serverProcess.ts';

describe('--help teaches', () => {
  const cases: Record<string, { args: string[]; says: RegExp[] }> = {
    'the commands there are': { args: ['--help'], says: [/local/, /simulate/, /worker/, /dlq/] },
    'how to run the operator here': {
      args: ['local', '--help'],
      says: [/--once/, /--json/, /Exit codes/, /Example:\n\s+penstock local -f/],
    },
    'how to look after dead letters': {
      args: ['dlq', '--help'],
      says: [/list/, /show/, /redrive/, /purge/, /Exit codes/, /Examples:/],
    },
    'how to run a worker': {
      args: ['worker', '--help'],
      says: [/PENSTOCK_STREAM/, /exec:PROGRAM/, /Examples:/],
    },
  };
  test.each(Object.entries(cases))('%s', async (_, { args, says }) => {
    await using program = penstock(args);
    expect(await program.ended).toBe(0);
    for (const pattern of says) expect(program.stdout()).toMatch(pattern);
  });
});

test('crds prints the definitions that the repository holds', async () => {
  await using yaml = penstock(['crds']);
  expect(await yaml.ended).toBe(0);
  const names = ['workerpools.penstock.dev', 'natsconnections.penstock.dev'];
  const files = names.map((name) =>
    readFileSync(new URL(`../../../crds/${name}.yaml`, import.meta.url), 'utf8'),
  );
  expect(yaml.stdout()).toBe(files.join('---\n'));
  await using json = penstock(['crds', '--json']);
  expect(await json.ended).toBe(0);
  const list = JSON.parse(json.stdout()) as { items: { metadata: { name: string } }[] };
  expect(list.items.map(({ metadata }) => metadata.name)).toEqual(names);
});

test('--version is the version of the package', async () => {
  await using program = penstock(['--version']);
  expect(await program.ended).toBe(0);
  expect(program.stdout()).toMatch(/^\d+\.\d+\.\d+\n$/);
});

describe('wrong arguments end with code 2 and say what would be right', () => {
  const cases: Record<string, { args: string[]; env?: Record<string, string>; says: RegExp }> = {
    'an unknown command': { args: ['locale'], says: /unknown command 'locale'.*Did you mean local/s },
    'no file': { args: ['local'], says: /--file <file\.\.\.>' not specified/ },
    'a period that is none': {
      args: ['local', '-f', 'x.yaml', '--period-seconds', 'soon'],
      says: /"soon" is not a number of seconds between 0\.1 and 3600/,
    },
    'a port that is none': {
      args: ['local', '-f', 'x.yaml', '--http-port', '70000'],
      says: /"70000" is not a port between 0 and 65535/,
    },
    'a file that is not there': {
      args: ['local', '-f', '/no/such/policy.yaml'],
      says: /InvalidPolicy: \/no\/such\/policy\.yaml: ENOENT/,
    },
    'a server address that is none': {
      args: ['local', '-f', 'x.yaml'],
      env: { NATS_URL: 'nats://me:secret@host' },
      says: /InvalidConfiguration: invalid settings\n\s+NATS_URL=.*: must look like nats:\/\/HOST:PORT/,
    },
    'a log level that is none': {
      args: ['local', '-f', 'x.yaml'],
      env: { PENSTOCK_LOG_LEVEL: 'loud' },
      says: /PENSTOCK_LOG_LEVEL=loud: .*"info"/,
    },
  };
  test.each(Object.entries(cases))('%s', async (_, { args, env, says }) => {
    await using program = penstock(args, env);
    expect(await program.ended).toBe(2);
    expect(program.stderr()).toMatch(says);
    expect(program.stderr()).not.toMatch(/\n\s+at /);
  });

  test('a policy with mistakes names each with file, line and field', async () => {
    await using policy = await localPolicy({ minReplicas: 9, maxReplicas: 'many' });
    await using program = penstock(['local', '-f', policy.file]);
    expect(await program.ended).toBe(2);
    expect(program.stderr()).toMatch(/policy\.yaml:3: spec\.maxReplicas: .*\(found "many"\)/);
  });

  test('a port in use is named', async () => {
    const port = await freePort();
    await using server = await startNatsServer({ port });
    await using policy = await localPolicy({ url: server.url });
    await using program = penstock(['local', '-f', policy.file, '--http-port', `${port}`]);
    expect(await program.ended).toBe(1);
    expect(program.stderr()).toMatch(new RegExp(`PortInUse: port ${port} on 127\\.0\\.0\\.1 is in use`));
  });
});
