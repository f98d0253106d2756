import { Queue } from 'bullmq';
import { runMigrations } from 'graphile-worker';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { startPostgresServer } from '../../tools/postgresServer.ts';
import { startRedisServer } from '../../tools/redisServer.ts';

/** A job system that does not run on JetStream, with a backlog of its own. */
export type OtherQueue = AsyncDisposable & {
  readonly url: string;
  /** Adds jobs to the queue of that name. */
  fill(queue: string, bytes: number, jobs: number): Promise<void>;
};

const addAtOnce = 1_000;

export async function openBullMq(): Promise<OtherQueue> {
  const server = await startRedisServer();
  return {
    url: server.url,
    async fill(name, bytes, jobs) {
      const connection = new Redis(server.url);
      const queue = new Queue(name, { connection });
      const job = { name: 'work', data: { x: 'x'.repeat(bytes) }, opts: { removeOnComplete: true } };
      for (let added = 0; added < jobs; added += addAtOnce) {
        await queue.addBulk(Array.from({ length: Math.min(addAtOnce, jobs - added) }, () => job));
      }
      await queue.close();
      connection.disconnect();
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

export async function openGraphileWorker(): Promise<OtherQueue> {
  const server = await startPostgresServer();
  return {
    url: server.url,
    // Done jobs are deleted: one table serves all runs.
    async fill(_name, bytes, jobs) {
      await runMigrations({ connectionString: server.url });
      const client = new Client({ connectionString: server.url });
      await client.connect();
      await client.query(
        `select graphile_worker.add_job('work', json_build_object('x', repeat('x', $1))) from generate_series(1, $2)`,
        [bytes, jobs],
      );
      await client.query('analyze');
      await client.end();
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
