/** A real PostgreSQL on loopback, for examples and peers of benchmarks; gone after disposal. */
import { spawnSync } from 'node:child_process';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseServer } from './redisServer.ts';
import { freePort, packagedPath, serverProcess } from './serverProcess.ts';

const database = 'postgres';
const user = 'penstock';

export async function startPostgresServer(): Promise<DatabaseServer> {
  const programs = packagedPath('PENSTOCK_POSTGRES_BIN', 'postgresql');
  const folder = await mkdtemp(join(tmpdir(), 'penstock-postgres-'));
  const data = join(folder, 'data');
  const runAs = unprivileged();
  if (runAs !== undefined) await chown(folder, runAs.uid, runAs.gid);
  const must = (program: string, ...args: string[]): void => {
    const { status, stderr } = spawnSync(join(programs, program), args, {
      ...runAs,
      cwd: folder,
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`${program} failed with ${status ?? 'a signal'}:\n${stderr}`);
  };
  const port = await freePort();
  const server = serverProcess({
    name: 'postgres',
    program: join(programs, 'postgres'),
    // Like JetStream's file store: a commit is on disk by and by, unless it is the machine that dies.
    args: [
      ...['-D', data, '-h', '127.0.0.1', '-p', `${port}`, '-k', folder],
      ...['-c', 'synchronous_commit=off', '-c', 'max_connections=100'],
    ],
    isReady: () =>
      Promise.resolve(
        spawnSync(join(programs, 'pg_isready'), ['-h', '127.0.0.1', '-p', `${port}`]).status === 0,
      ),
    // By SIGKILL, it would leave its processes and its shared memory behind.
    endSignal: 'SIGQUIT',
    ...(runAs !== undefined && { runAs }),
  });
  const dispose = async (): Promise<void> => {
    await server[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  };
  try {
    must('initdb', '-D', data, '-U', user, '-A', 'trust', '-E', 'UTF8', '--no-sync');
    await server.start();
  } catch (error) {
    await dispose();
    throw error;
  }
  return { url: `postgres://${user}@127.0.0.1:${port}/${database}`, [Symbol.asyncDispose]: dispose };
}

/** PostgreSQL refuses to run as root: then it runs as the user that Debian's package has made. */
function unprivileged(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (which: string): number =>
    Number(spawnSync('id', [which, 'postgres'], { encoding: 'utf8' }).stdout);
  const [uid, gid] = [id('-u'), id('-g')];
  if (uid > 0 && gid > 0) return { uid, gid };
  throw new Error(
    "PostgreSQL does not run as root, and there is no user postgres: install Debian's postgresql, or run as another user",
  );
}
