import { describe, expect, test } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { createLogger } from '#common/log.ts';
import { LocalPlatform } from '../../../operator/platform/local/local.ts';
import type { Pool } from '../../../operator/platform/platform.ts';
import { isAlive, localPolicy } from '../../builders/localPolicy.ts';
import type { LocalPolicy, PolicyValues } from '../../builders/localPolicy.ts';
import { until } from '../../builders/until.ts';
import { platformContract } from '../../contract/platform.ts';
import type { PlatformUnderTest } from '../../contract/platform.ts';

type Local = PlatformUnderTest & { readonly platform: LocalPlatform; readonly policy: LocalPolicy };

async function createLocal(values: PolicyValues = {}): Promise<Local> {
  const policy = await localPolicy(values);
  const nats = { servers: ['nats://127.0.0.1:1'], inboxPrefix: '_INBOX' };
  const options = { files: [policy.file], nats, environment: {} };
  const platform = new LocalPlatform(options, systemClock, createLogger('test', 'silent'));
  platform.start();
  const [pool] = platform.pools();
  if (pool === undefined) throw new Error('no pool');
  const ref = { ...pool.spec.scaleTargetRef, name: 'missing' };
  return {
    platform,
    policy,
    pool,
    poolWithoutTarget: { ...pool, spec: { ...pool.spec, scaleTargetRef: ref } },
    tick: () => platform.tick(),
    async [Symbol.asyncDispose]() {
      await platform[Symbol.asyncDispose]();
      await policy[Symbol.asyncDispose]();
    },
  };
}

const lives = async (policy: LocalPolicy): Promise<Awaited<ReturnType<LocalPolicy['records']>>> =>
  (await policy.records()).filter(({ what }) => what === 'lives');

describe('contract', () => platformContract(createLocal));

describe('replicas as processes', () => {
  test('each knows its name, its source and its server', async () => {
    await using local = await createLocal({
      stream: 'IMAGES',
      url: 'nats://127.0.0.1:4711',
      env: { GREETING: 'hi' },
    });
    await local.platform.scale(local.pool, { from: 0, to: 2, victims: [] });
    const records = await until('two processes', async () => {
      const list = await lives(local.policy);
      return list.length === 2 && list;
    });
    expect(records.map(({ replica }) => replica).sort()).toEqual(['work-1', 'work-2']);
    for (const record of records) {
      expect(record).toMatchObject({ stream: 'IMAGES', url: 'nats://127.0.0.1:4711', greeting: 'hi' });
    }
  });

  test('one that ignores SIGTERM is killed when its grace is over', async () => {
    const local = await createLocal({ env: { MODE: 'stubborn' }, graceSeconds: 1 });
    await local.platform.scale(local.pool, { from: 0, to: 1, victims: [] });
    const [record] = await until('the process', async () => {
      const list = await lives(local.policy);
      return list.length === 1 && list;
    });
    await local.platform.scale(local.pool, { from: 1, to: 0, victims: [] });
    const asked = await until('SIGTERM to arrive', async () =>
      (await local.policy.records()).find(({ what }) => what === 'asked'),
    );
    expect(isAlive(asked.pid)).toBe(true);
    await until('the process to be gone', () => !isAlive(record?.pid ?? 0));
    await local[Symbol.asyncDispose]();
  });

  test('one that ends by itself is failing with its exit code, and started again after a pause', async () => {
    await using local = await createLocal({ env: { MODE: 'crash' } });
    await local.platform.scale(local.pool, { from: 0, to: 1, victims: [] });
    await until('it to be seen failing', async () => {
      const seen = await local.platform.workload(local.pool, new Set());
      const replica = seen.kind === 'seen' ? seen.value.replicas[0] : undefined;
      return replica?.state === 'failing' && replica.message === 'exit code 3';
    });
    await until('a second process under the same name', async () => {
      local.tick();
      const records = await lives(local.policy);
      return records.length >= 2 && records.every(({ replica }) => replica === 'work-1');
    });
  });

  test('a program that does not exist fails with its name, and ends nothing', async () => {
    await using local = await createLocal({ command: ['/no/such/program'] });
    await local.platform.scale(local.pool, { from: 0, to: 1, victims: [] });
    const message = await until('it to be seen failing', async () => {
      const seen = await local.platform.workload(local.pool, new Set());
      return seen.kind === 'seen' && seen.value.replicas[0]?.message;
    });
    expect(message).toMatch(/^\/no\/such\/program could not be started: .*ENOENT/);
  });

  test('disposing ends them all', async () => {
    const local = await createLocal();
    await local.platform.scale(local.pool, { from: 0, to: 3, victims: [] });
    const records = await until('three processes', async () => {
      const list = await lives(local.policy);
      return list.length === 3 && list;
    });
    await local.platform[Symbol.asyncDispose]();
    expect(records.map(({ pid }) => isAlive(pid))).toEqual([false, false, false]);
    await local[Symbol.asyncDispose]();
  });
});

describe('policy files that change', () => {
  const maximum = (pools: readonly Pool[]): number | undefined => pools[0]?.spec.maxReplicas;

  test('new values are taken', async () => {
    await using local = await createLocal({ maxReplicas: 5 });
    await local.policy.write({ maxReplicas: 17 });
    local.tick();
    expect(maximum(local.platform.pools())).toBe(17);
  });

  test('a mistake keeps what the file said before, and mending it is taken', async () => {
    await using local = await createLocal({ maxReplicas: 5 });
    await local.policy.write({ maxReplicas: 'a lot' });
    local.tick();
    expect(maximum(local.platform.pools())).toBe(5);
    await local.policy.write({ maxReplicas: 6 });
    local.tick();
    expect(maximum(local.platform.pools())).toBe(6);
  });

  test('another environment replaces the processes, one for one', async () => {
    await using local = await createLocal();
    await local.platform.scale(local.pool, { from: 0, to: 2, victims: [] });
    const before = await until('two processes', async () => {
      const list = await lives(local.policy);
      return list.length === 2 && list;
    });
    await local.policy.write({ env: { GREETING: 'new' } });
    local.tick();
    await until('two new processes and the end of the old', async () => {
      const records = await lives(local.policy);
      const renewed = records.filter(({ greeting }) => greeting === 'new');
      return renewed.length === 2 && before.every(({ pid }) => !isAlive(pid));
    });
  });

  test('a process that is taken out of the file ends', async () => {
    await using local = await createLocal({ pools: ['work', 'other'] });
    const other = local.platform.pools().find(({ key }) => key === 'default/other');
    if (other === undefined) throw new Error('no pool');
    await local.platform.scale(other, { from: 0, to: 1, victims: [] });
    const [record] = await until('the process', async () => {
      const list = await lives(local.policy);
      return list.length === 1 && list;
    });
    await local.policy.write({ pools: ['work'] });
    local.tick();
    await until('its end', () => !isAlive(record?.pid ?? 0));
    expect(local.platform.pools().map(({ key }) => key)).toEqual(['default/work']);
  });
});
