import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { parseDurationMs } from '../../operator/simulate/duration.ts';
import type { SimulateOptions } from './options.ts';

/** `penstock simulate`: policies and their peers over a load, in simulated time. */
export function addSimulateCommand(program: Command): void {
  program
    .command('simulate')
    .description('Run policies and their peers over a load, in simulated time.')
    .requiredOption(
      '--policy <file...>',
      'files with a WorkerPool each; the prior of the first says slots, run time and start time',
    )
    .option('--pool <name>', 'which WorkerPool, when a file has several')
    .optionsGroup('Load:')
    .option(
      '--trace <file>',
      'CSV with t_seconds,arrivals or with one row per job and its time in column t, or a record of the operator',
    )
    .option('--rate <function>', 'instead of a trace: sine:10/s:9/s:12m:1h or steps:20/s@40s,0/s@260s*12')
    .option('--time-scale <factor>', 'let the trace pass so many times faster', from(0.001, 100_000), 1)
    .addOption(
      new Option('--gaps <how>', 'bins that a trace leaves out')
        .choices(['refuse', 'quiet'])
        .default('refuse'),
    )
    .option(
      '--service <spec>',
      'how long jobs run: constant:2s, exponential:500ms, lognormal:1s:2, pareto:1s:2.5, empirical:FILE:COLUMN:UNIT',
      'exponential:1s',
    )
    .option('--seed <number>', 'another seed, another run', seed, 1)
    .optionsGroup('Who is compared:')
    .option(
      '--peer <peer...>',
      'keda:lag=1,window=60,poll=1, hpa:target=70,window=300, fixed:8 (default: keda, hpa, and the mean of the policy)',
    )
    .option('--no-oracle', 'leave out the autoscaler that knows the future; it takes 20 runs')
    .option(
      '--pipeline',
      'the WorkerPools of the file are stages: what one has done arrives in the next',
      false,
    )
    .optionsGroup('How the system behaves:')
    .option(
      '--start <time>',
      'from a new replica to its first job (default: the startSeconds of the prior)',
      duration,
    )
    .option('--start-jitter <time>', 'it varies by as much in both directions', duration, 0)
    .option('--no-heartbeats', 'workers do not tell what they do')
    .option('--observation-delay <time>', 'what is seen is so old, whole seconds', duration, 0)
    .option('--fail-percent <percent>', 'attempts that fail', from(0, 100), 0)
    .option('--retry-delay <time>', 'from a failed attempt to the next', duration, 1_000)
    .option('--max-deliver <n>', 'attempts before a job is given up (default: unlimited)', whole)
    .option('--max-ack-pending <n>', 'messages delivered and unresolved at most (default: unlimited)', whole)
    .option('--ack-wait <time>', 'an unresolved message is delivered again after this', duration, 30_000)
    .option('--no-ack-wait-extension', 'workers do not extend it, so that longer jobs run twice')
    .option(
      '--dependency <jobs/s>',
      'jobs per second that something behind the replicas lets through',
      from(0.001, 1e6),
    )
    .optionsGroup('Tuning:')
    .option('--tune', 'search settings on a part of the load, and try them on the rest', false)
    .option(
      '--weight <replica-seconds>',
      'what a second of waiting at the 95th percentile is worth, per job',
      from(0, 1e6),
      0.1,
    )
    .optionsGroup('Output:')
    .option('--json', 'print one JSON object instead of a table', false)
    .option('--html <file>', 'write a page with plots, which opens without a network')
    .option('--svg <file>', 'write the plots as a drawing for documents')
    .addHelpText('after', examples)
    .action(async (options: SimulateOptions) => {
      const { simulate } = await import('./simulate.ts');
      await simulate(options);
    });
}

const examples = `
docs/simulate.md tells what the model does, what it leaves out, and how to read the figures.

Exit codes: 0 done; 1 a file could not be written; 2 wrong arguments, policy, load, service or peer.

Examples:
  penstock simulate --policy examples/policies/simulated.yaml \\
    --trace examples/traces/azure_llm_code_2023_1s.csv --html out.html
  penstock simulate --policy examples/policies/simulated.yaml \\
    --trace examples/traces/azure_llm_conv_2023_1s.csv --tune
  penstock simulate --policy a.yaml b.yaml --rate 'steps:20/s@40s,0/s@260s*12' --peer keda:lag=4,window=60 fixed:8`;

function from(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`"${text}" is not a number from ${least} to ${most}.`);
  };
}

function whole(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 1_000_000) return value;
  throw new InvalidArgumentError(`"${text}" is not a whole number from 1 to 1000000.`);
}

function seed(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && Math.abs(value) <= 2 ** 31) return value;
  throw new InvalidArgumentError(`"${text}" is not a whole number between -2147483648 and 2147483648.`);
}

function duration(text: string): number {
  const ms = parseDurationMs(text);
  if (ms !== undefined && ms <= 86_400_000) return ms;
  throw new InvalidArgumentError(`"${text}" is not a time of up to a day, such as 500ms, 2s or 5m.`);
}
