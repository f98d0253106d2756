/**
 * Writes each payload to a file in STORE_FOLDER, named after its URL. Written aside and renamed: a job that runs twice,
 * or dies in the middle, leaves one whole file.
 */
import { createHash } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Handler } from '../../worker/index.ts';

const folder = process.env['STORE_FOLDER'] ?? 'out/stored';

const store: Handler = async (job, { logger }) => {
  const url = job.headers.get('url') ?? job.idempotencyKey;
  // A name of our own making: a URL may hold anything, `../` too.
  const file = join(folder, `${createHash('sha256').update(url).digest('hex').slice(0, 16)}.png`);
  const aside = `${file}.${process.pid}.${job.sequence}.${job.attempt}`;
  await mkdir(folder, { recursive: true });
  await writeFile(aside, job.data);
  await rename(aside, file);
  logger.info({ url, file }, 'stored');
};

export default store;
