import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { PenstockError, describeError } from '#common/errors.ts';
import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import { formatProblem, readPolicyFile } from '../operator/platform/local/policyFiles.ts';
import { compare } from '../operator/simulate/compare.ts';
import type { Run } from '../operator/simulate/compare.ts';
import { outcomeCells, outcomeHeadings, page } from '../operator/simulate/page.ts';
import { parseService } from '../operator/simulate/service.ts';
import { parseTrace } from '../operator/simulate/trace.ts';

export type SimulateArguments = {
  readonly policy: string;
  readonly pool: string | undefined;
  readonly trace: string;
  readonly service: string;
  readonly seed: number;
  readonly json: boolean;
  readonly html: string | undefined;
};

/** Progress is shown no more often than this. */
const progressMs = 1_000;

/** `penstock simulate`: what a policy would have done with a recorded load, beside its peers. */
export function simulate(args: SimulateArguments): void {
  const { name, spec } = readPool(args.policy, args.pool);
  const trace = parseTrace(readText(args.trace), args.trace);
  const service = parseService(args.service);
  const { concurrency: slots, startSeconds } = spec.prior;
  const onProgress = progress();
  const runs = compare({ spec, trace, service, slots, startSeconds, seed: args.seed, onProgress });
  const title = `Pool ${name} over ${basename(args.trace)}`;
  const description =
    `Jobs run ${args.service}; a replica runs ${slots} at once and takes ${startSeconds} s to start (from the ` +
    `policy's prior); seed ${args.seed}. Waiting is from arrival to start; cost is slot-seconds paid for per ` +
    `slot-second of work; the objective is ${spec.objective.drainSeconds} s.`;
  if (args.html !== undefined) writeText(args.html, page(title, description, runs));
  if (args.json) {
    const outcomes = runs.map(({ outcome }) => outcome);
    process.stdout.write(
      `${JSON.stringify({ pool: name, trace: args.trace, service: args.service, outcomes })}\n`,
    );
  } else process.stdout.write(`${title}\n${description}\n\n${table(runs)}\n`);
}

function readPool(file: string, pool: string | undefined): { name: string; spec: WorkerPoolSpec } {
  const { policies, problems } = readPolicyFile(file);
  if (problems.length > 0) throw new PenstockError('InvalidPolicy', problems.map(formatProblem).join('\n  '));
  const pools = policies.pools.map(({ resource: { metadata, spec } }) => ({ name: metadata.name, spec }));
  const names = pools.map(({ name }) => name).join(', ');
  const chosen = pools.filter(({ name }) => pool === undefined || name === pool);
  const [only, ...more] = chosen;
  if (only === undefined) {
    const found = names === '' ? 'no WorkerPool' : names;
    throw new PenstockError(
      'InvalidPolicy',
      `${file}: there is no WorkerPool ${pool ?? ''} (found: ${found})`,
    );
  }
  if (more.length > 0) throw new PenstockError('InvalidPolicy', `${file}: choose one with --pool: ${names}`);
  return only;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new PenstockError('InvalidTrace', `cannot read the trace: ${describeError(error)}`, {
      cause: error,
    });
  }
}

function writeText(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new PenstockError('OutputFailed', `cannot write the page: ${describeError(error)}`, {
      cause: error,
    });
  }
}

/** On a terminal, a share of the work now and then on stderr. */
function progress(): (share: number) => void {
  let toldMs = performance.now();
  return (share) => {
    if (!process.stderr.isTTY || performance.now() - toldMs < progressMs) return;
    toldMs = performance.now();
    process.stderr.write(`simulated ${(100 * share).toFixed(0)} %\n`);
  };
}

function table(runs: readonly Run[]): string {
  const lines = [outcomeHeadings, ...runs.map(({ outcome }) => outcomeCells(outcome))];
  const widths = outcomeHeadings.map((_, column) =>
    Math.max(...lines.map((line) => (line[column] ?? '').length)),
  );
  return lines
    .map((line) =>
      line
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
