/**
 * `npm run bench [-- NAME…] [--runs N] [--sizes N,…] [--json FOLDER]`: tables on stdout, progress on stderr, JSON in a folder.
 * Exit code 0 when every benchmark ran, 1 when one failed, 2 for wrong arguments.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { describeError } from '#common/errors.ts';
import type { Bench } from './bench.ts';
import { decideBench } from './decide.ts';
import { operatorScale } from './operator/scale.ts';
import { quality } from './quality.ts';
import { reaction } from './reaction.ts';
import { startup } from './startup.ts';
import { simulateBench } from './simulate.ts';
import { renderResult } from './table.ts';
import { drain } from './worker/drain.ts';
import { duplicates } from './worker/duplicates.ts';
import { workerFeatures } from './worker/features.ts';
import { workerFairness } from './worker/fairness.ts';
import { workerLatency } from './worker/latency.ts';
import { publisher } from './worker/publisher.ts';
import { recovery } from './worker/recovery.ts';
import { workerThroughput } from './worker/throughput.ts';

const benches: readonly Bench[] = [
  workerThroughput,
  workerFeatures,
  workerLatency,
  workerFairness,
  drain,
  recovery,
  duplicates,
  publisher,
  decideBench,
  quality,
  simulateBench,
  reaction,
  operatorScale,
  startup,
];

const command = new Command('npm run bench --')
  .description('Runs benchmarks, all of them unless named. docs/benchmarks.md tells how to read the figures.')
  .argument('[names...]', 'which ones', collectBench)
  .option('--runs <n>', 'how often each row is measured', parseRuns, 5)
  .option('--sizes <n,...>', 'operator-scale: how many pools, e.g. 100,20000', parseSizes)
  .option('--without <peers...>', 'leave out peers with servers of their own: bullmq, graphile', collectPeer)
  .option('--json <folder>', 'where NAME.json is written', 'out/bench')
  .addHelpText('after', `\nNames:\n${describeBenches()}`)
  .exitOverride();

try {
  await command.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exit(error.exitCode === 0 ? 0 : 2);
}
const named = command.processedArgs[0] as readonly Bench[] | undefined; // What collectBench returned.
const { runs, sizes, without, json } = command.opts<{
  runs: number;
  sizes?: readonly number[];
  without?: ReadonlySet<string>;
  json: string;
}>();

let failed = 0;
for (const bench of named ?? benches) {
  try {
    const result = await bench.run({
      runs,
      without: without ?? new Set(),
      ...(sizes === undefined ? {} : { sizes }),
      say: (line) => console.error(`${bench.name}: ${line}`),
    });
    console.log(renderResult(result));
    await mkdir(json, { recursive: true });
    await writeFile(
      join(json, `${bench.name}.json`),
      `${JSON.stringify({ name: bench.name, ...result }, null, 2)}\n`,
    );
  } catch (error) {
    failed += 1;
    console.error(`${bench.name} failed: ${describeError(error)}`);
  }
}
process.exit(failed === 0 ? 0 : 1);

function describeBenches(): string {
  return benches.map(({ name, describe }) => `  ${name.padEnd(20)}${describe}`).join('\n');
}

function collectBench(name: string, earlier: readonly Bench[] = []): readonly Bench[] {
  const bench = benches.find((candidate) => candidate.name === name);
  if (bench === undefined) {
    throw new InvalidArgumentError(`Known are: ${benches.map((known) => known.name).join(', ')}.`);
  }
  return [...earlier, bench];
}

function collectPeer(name: string, earlier: ReadonlySet<string> = new Set()): ReadonlySet<string> {
  if (name !== 'bullmq' && name !== 'graphile')
    throw new InvalidArgumentError('Known are: bullmq, graphile.');
  return new Set([...earlier, name]);
}

function parseRuns(value: string): number {
  return parseWhole(value, 1_000);
}

function parseSizes(value: string): number[] {
  return value.split(',').map((size) => parseWhole(size, 100_000));
}

function parseWhole(value: string, largest: number): number {
  const parsed = Number(value);
  if (!Number.isInteger(parsed) || parsed < 1 || parsed > largest) {
    throw new InvalidArgumentError(`"${value}" is not a whole number from 1 to ${largest}.`);
  }
  return parsed;
}
