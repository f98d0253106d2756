import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { openBroker } from '../../demo/broker.ts';
import { existingReplicas } from '../../demo/fleet.ts';
import { startOperator } from '../../demo/operator.ts';
import type { OperatorProcess } from '../../demo/operator.ts';
import { readPolicy } from '../../demo/policy.ts';
import { quantile } from '../../demo/quantile.ts';
import { createWorkFolder } from '../../demo/workFolder.ts';
import { startNatsServer } from '../tools/natsServer.ts';
import type { Bench, BenchResult, BenchRow } from './bench.ts';

const policyFile = fileURLToPath(new URL('./fixtures/reaction.yaml', import.meta.url));
const leastRounds = 10;
const roundDeadlineMs = 60_000;
/** One pass of the operator: rounds start at a random point of it. */
const passMs = 1_000;

const recordSchema = z.object({ event: z.enum(['process', 'job']), atMs: z.number() });
type Round = { readonly toProcessSeconds: number; readonly toJobSeconds: number };

/** One job after idleness, again and again: how long until the first replica exists, and until it runs the job. */
export const reaction: Bench = {
  name: 'reaction',
  describe: 'first publish after idle until the first replica starts, operator and workers on this machine',
  async run({ say, runs }) {
    const policy = await readPolicy(policyFile);
    await using folder = await createWorkFolder();
    await using server = await startNatsServer();
    await using broker = await openBroker(server.url, policy);
    const logFile = join(folder.path, 'starts.jsonl');
    await writeFile(logFile, '');
    const connectionFile = await folder.writeConnection(policy.connection, server.url);
    await using operator = startOperator({
      policyFiles: [policyFile, connectionFile],
      pool: policy.pool,
      logFile: folder.operatorLog,
      environment: { ...process.env, PENSTOCK_BENCH_LOG: logFile },
    });

    const rounds: Round[] = [];
    while (rounds.length < Math.max(leastRounds, runs)) {
      await until(operator, () => Promise.resolve(isAtZero(operator) ? true : undefined));
      await sleep(Math.random() * passMs);
      await writeFile(logFile, '');
      const publishedAtMs = performance.timeOrigin + performance.now();
      await broker.publish(`round-${rounds.length}`, '{}');
      const round = await until(operator, () => readRound(logFile, publishedAtMs));
      rounds.push(round);
      say(`round ${rounds.length}: process after ${round.toProcessSeconds.toFixed(3)} s`);
    }
    await operator.stop();
    folder.discard();
    return toResult(rounds);
  },
};

function isAtZero(operator: OperatorProcess): boolean {
  const latest = operator.reports.at(-1);
  return latest !== undefined && existingReplicas(latest) === 0 && latest.signals.backlogMessages === 0;
}

async function readRound(logFile: string, publishedAtMs: number): Promise<Round | undefined> {
  const lines = (await readFile(logFile, 'utf8')).split('\n').slice(0, -1);
  const records = lines.map((line) => recordSchema.parse(JSON.parse(line)));
  const processStart = records.find(({ event }) => event === 'process');
  const jobStart = records.find(({ event }) => event === 'job');
  if (processStart === undefined || jobStart === undefined) return undefined;
  return {
    toProcessSeconds: (processStart.atMs - publishedAtMs) / 1_000,
    toJobSeconds: (jobStart.atMs - publishedAtMs) / 1_000,
  };
}

/** @throws Error when nothing came within a minute; PenstockError when the operator ended. */
async function until<T>(operator: OperatorProcess, look: () => Promise<T | undefined>): Promise<T> {
  const giveUpAtMs = performance.now() + roundDeadlineMs;
  for (;;) {
    await operator.assertRunning();
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > giveUpAtMs) throw new Error(`no reaction within ${roundDeadlineMs / 1_000} s`);
    await sleep(50);
  }
}

function toResult(rounds: readonly Round[]): BenchResult {
  const row = (name: string, seconds: readonly number[]): BenchRow => ({
    name,
    cells: [0, 0.5, 0.95, 1].map((share) => quantile(seconds, share) ?? null),
  });
  return {
    title: `reaction: ${rounds.length} rounds of one job after idleness`,
    columns: ['least s', 'p50 s', 'p95 s', 'most s'],
    rows: [
      row(
        'publish → first replica process',
        rounds.map(({ toProcessSeconds }) => toProcessSeconds),
      ),
      row(
        'publish → job starts',
        rounds.map(({ toJobSeconds }) => toJobSeconds),
      ),
    ],
    ratios: [],
    notes: ['Aim: first replica process p50 <= 1.5 s at default settings.'],
  };
}
