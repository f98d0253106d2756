import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { followJobLog } from '../../../demo/jobLog.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'penstock-joblog-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const line = (id: string): string =>
  `${JSON.stringify({ event: 'start', id, worker: 'a', attempt: 1, atMs: 5 })}\n`;

test('each record is read once, across files and calls', async () => {
  const log = followJobLog(folder);
  await log.readNew();
  expect(log.records).toEqual([]);
  await appendFile(join(folder, '1.jsonl'), line('a') + line('b'));
  await log.readNew();
  await appendFile(join(folder, '1.jsonl'), line('c'));
  await appendFile(join(folder, '2.jsonl'), line('d'));
  await log.readNew();
  await log.readNew();
  expect(log.records.map(({ id }) => id)).toEqual(['a', 'b', 'c', 'd']);
});

test('a line whose writing is under way is read when it is whole', async () => {
  const log = followJobLog(folder);
  const whole = line('größe');
  await appendFile(join(folder, '1.jsonl'), whole.slice(0, 25));
  await log.readNew();
  expect(log.records).toEqual([]);
  await appendFile(join(folder, '1.jsonl'), whole.slice(25));
  await log.readNew();
  expect(log.records.map(({ id }) => id)).toEqual(['größe']);
});
