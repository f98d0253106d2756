/**
 * Writes measurements to PostgreSQL (DATABASE_URL), many in one statement: PENSTOCK_BATCH_SIZE=1000 and
 * PENSTOCK_BATCH_WAIT_SECONDS=0.1. A job that is no measurement fails alone. The job's key is the row's, so that a job
 * that runs twice is written once.
 */
import { Pool } from 'pg';
import { z } from 'zod';
import { Discard } from '../../worker/index.ts';
import type { BatchHandler } from '../../worker/index.ts';

const measurementSchema = z.object({ sensor: z.string().max(100), value: z.number(), at: z.iso.datetime() });

const database = new Pool({ connectionString: process.env['DATABASE_URL'] });
// Connections of a pool that break while nobody uses them; the next statement opens another.
database.on('error', () => undefined);

const insert = `
  insert into measurements (key, sensor, value, at)
  select * from unnest($1::text[], $2::text[], $3::float8[], $4::timestamptz[])
  on conflict (key) do nothing`;

export const batch: BatchHandler = async (jobs, context) => {
  const keys: string[] = [];
  const rows: z.infer<typeof measurementSchema>[] = [];
  for (const job of jobs) {
    const row = measurementSchema.safeParse(parse(job.data));
    if (!row.success) {
      context.fail(job, new Discard(`not a measurement: ${z.prettifyError(row.error)}`));
      continue;
    }
    keys.push(job.idempotencyKey);
    rows.push(row.data);
  }
  if (rows.length === 0) return;
  await database.query(insert, [
    keys,
    rows.map(({ sensor }) => sensor),
    rows.map(({ value }) => value),
    rows.map(({ at }) => at),
  ]);
};

function parse(data: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(data));
  } catch {
    return undefined;
  }
}
