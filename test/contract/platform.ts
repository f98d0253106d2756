import { expect, test } from 'vitest';
import type { Platform, Pool } from '../../operator/platform/platform.ts';
import { until } from '../builders/until.ts';

export type PlatformUnderTest = AsyncDisposable & {
  readonly platform: Platform;
  /** A pool whose target has no replicas yet. */
  readonly pool: Pool;
  /** The same pool, but with a target that does not exist. */
  readonly poolWithoutTarget: Pool;
  /** Lets the platform do what it does by itself once a second. */
  tick(): void;
};

const nobody: ReadonlySet<string> = new Set();

/** What every platform must do, run on each implementation. */
export function platformContract(create: () => Promise<PlatformUnderTest>): void {
  const names = async ({ platform, pool }: PlatformUnderTest): Promise<string[] | undefined> => {
    const seen = await platform.workload(pool, nobody);
    if (seen.kind !== 'seen') return undefined;
    return seen.value.replicas.filter(({ state }) => state !== 'terminating').map(({ name }) => name);
  };

  test('the pools that exist are listed', async () => {
    await using subject = await create();
    expect(subject.platform.pools().map(({ key }) => key)).toEqual([subject.pool.key]);
  });

  test('scaling up makes replicas with different names, which become ready', async () => {
    await using subject = await create();
    const { platform, pool } = subject;
    expect(await platform.scale(pool, { from: 0, to: 3, victims: [] })).toMatchObject({ kind: 'scaled' });
    const heard = new Set(
      await until('three replicas', async () => {
        const list = await names(subject);
        return list?.length === 3 && list;
      }),
    );
    const workload = await until('three ready replicas', async () => {
      subject.tick();
      const seen = await platform.workload(pool, heard);
      if (seen.kind !== 'seen') return false;
      return seen.value.replicas.filter(({ state }) => state === 'ready').length === 3 && seen.value;
    });
    expect(workload.desired).toBe(3);
    expect(heard.size).toBe(3);
  });

  test('scaling down ends the named victims and no other', async () => {
    await using subject = await create();
    const { platform, pool } = subject;
    await platform.scale(pool, { from: 0, to: 3, victims: [] });
    const before = await until('three replicas', async () => {
      const list = await names(subject);
      return list?.length === 3 && list;
    });
    const [first, second, third] = before;
    const change = { from: 3, to: 1, victims: [first ?? '', third ?? ''] };
    expect(await platform.scale(pool, change)).toMatchObject({ kind: 'scaled' });
    await until('one replica', async () => {
      subject.tick();
      return (await names(subject))?.length === 1;
    });
    expect(await names(subject)).toEqual([second]);
  });

  test('a change decided on other replicas than there are is a conflict and changes nothing', async () => {
    await using subject = await create();
    const { platform, pool } = subject;
    expect(await platform.scale(pool, { from: 2, to: 4, victims: [] })).toMatchObject({ kind: 'conflict' });
    expect(await platform.workload(pool, nobody)).toMatchObject({ kind: 'seen', value: { desired: 0 } });
  });

  test('the same change twice has the effect of one', async () => {
    await using subject = await create();
    const { platform, pool } = subject;
    await platform.scale(pool, { from: 0, to: 2, victims: [] });
    await platform.scale(pool, { from: 2, to: 2, victims: [] });
    await until('two replicas', async () => (await names(subject))?.length === 2);
  });

  test('a target that does not exist is absent, and scaling it fails without a throw', async () => {
    await using subject = await create();
    const { platform, poolWithoutTarget } = subject;
    expect(await platform.workload(poolWithoutTarget, nobody)).toMatchObject({ kind: 'absent' });
    expect(await platform.scale(poolWithoutTarget, { from: 0, to: 1, victims: [] })).toMatchObject({
      kind: 'failed',
    });
  });

  test('the connection of a source is found, one that does not exist is an error that names it', async () => {
    await using subject = await create();
    const { platform, pool } = subject;
    const [source] = pool.spec.sources;
    if (source === undefined) throw new Error('the pool has no source');
    expect(platform.connection(pool, source)).toMatchObject({ servers: [expect.stringMatching(/^nats:/)] });
    const missing = platform.connection(pool, { ...source, connection: 'nowhere' });
    expect(missing instanceof Error ? missing.message : missing).toContain('nowhere');
  });
}
