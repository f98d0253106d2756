import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { secondsToMs } from '#common/units.ts';
import type { Layout } from '../worker/partitions/plan.ts';
import { readConfig } from './config.ts';
import { jetStreamName } from './jetStreamName.ts';
import type { PartitionsArguments } from './partitions.ts';

type ApplyOptions = {
  readonly subjects?: string;
  readonly key: readonly number[];
  readonly count?: number;
  readonly filters?: string[];
  readonly maxAckPending: number;
  readonly ackWaitSeconds: number;
  readonly after?: string;
  readonly dryRun: boolean;
  readonly json: boolean;
};

const notes = `
Jobs of a key always come to the same partition, and a partition gives out one job at a time (--max-ack-pending 1), to
whichever worker asks: so keys keep their order across any number of workers, through crashes, stops and scaling.

It needs nats-server 2.10, a stream without another subject transform, and workqueue or limits retention.
Run again with another --count, it cuts the partitions anew: new jobs wait until the old partitions are empty, so
workers must be running. Interrupted or failed, nothing is lost: run it again.

Exit codes: 0 done, or nothing to do; 1 failed or interrupted; 2 wrong arguments, or refused.

Examples:
  penstock partitions apply ORDERS orders --subjects 'orders.*.>' --count 8 --dry-run
  penstock partitions apply ORDERS orders --filters jobs.0.> jobs.1.>
  penstock partitions show ORDERS orders --json`;

/** `penstock partitions …`: order per key across replicas. */
export function addPartitionsCommands(program: Command): void {
  const partitions = program
    .command('partitions')
    .description('Split a stream into consumers that keep the order of keys across replicas.')
    .addHelpText('after', notes);

  const apply = partitions
    .command('apply')
    .description('Create the consumers GROUP-0, GROUP-1 and so on, or change their number.')
    .argument('<stream>', 'stream of the jobs', jetStreamName)
    .argument('<group>', 'begins the names of the consumers and the subjects of stored jobs', jetStreamName)
    .option('--subjects <pattern>', "subjects of the jobs, e.g. 'orders.*.>'; wildcards are counted from 1")
    .option('--key <numbers>', 'which wildcards make the key, separated by commas', wildcards, [1])
    .option('--count <n>', 'number of partitions', upTo(1_000))
    .addOption(
      new Option(
        '--filters <filter...>',
        'one consumer per filter, when publishers name the partition themselves',
      ).conflicts(['subjects', 'count']),
    )
    .option(
      '--max-ack-pending <n>',
      'jobs of a partition that are held at once; above 1, order needs one worker per partition with lanes',
      upTo(1_000_000),
      1,
    )
    .option('--ack-wait-seconds <n>', 'after which the jobs of a dead worker come again', upTo(86_400), 30)
    .option(
      '--after <consumer>',
      'first wait until this consumer of the time before has nothing left',
      jetStreamName,
    )
    .option('--dry-run', 'only say what would be done', false)
    .option('--json', 'print a JSON object', false)
    .action((stream: string, group: string, options: ApplyOptions) => {
      const split = splitOf(options, (message) => apply.error(`error: ${message}`));
      const { maxAckPending, ackWaitSeconds, after, dryRun, json } = options;
      const layout = { group, split, maxAckPending, ackWaitMs: secondsToMs(ackWaitSeconds), after };
      return run({ stream, json, action: { kind: 'apply', layout, dryRun } });
    });

  partitions
    .command('show')
    .description('Show the partitions, and what each has to do.')
    .argument('<stream>', 'stream of the jobs', jetStreamName)
    .argument('<group>', 'what the consumers are named after', jetStreamName)
    .option('--json', 'print one JSON object per partition', false)
    .action((stream: string, group: string, { json }: { json: boolean }) =>
      run({ stream, json, action: { kind: 'show', group } }),
    );
}

function splitOf(
  { subjects, key, count, filters }: ApplyOptions,
  fail: (message: string) => never,
): Layout['split'] {
  if (filters !== undefined) return { kind: 'filters', filters };
  if (subjects === undefined || count === undefined) fail('give --subjects and --count, or --filters');
  const wildcardCount = subjects.split('.').filter((token) => token === '*').length;
  const beyond = key.find((number) => number > wildcardCount);
  if (beyond !== undefined) {
    fail(`--key names wildcard ${beyond}, but ${subjects} has ${wildcardCount}; a wildcard is a token *`);
  }
  return { kind: 'hash', subjects, key, count };
}

async function run(args: PartitionsArguments): Promise<void> {
  const { partitions } = await import('./partitions.ts');
  process.exitCode = await partitions(args, readConfig().nats);
}

function wildcards(text: string): readonly number[] {
  if (/^[1-9]\d?(?:,[1-9]\d?)*$/.test(text)) return text.split(',').map(Number);
  throw new InvalidArgumentError(`"${text}" is not a list of numbers from 1, such as 1 or 1,2.`);
}

const upTo =
  (most: number) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= 1 && value <= most) return value;
    throw new InvalidArgumentError(`"${text}" is not a whole number from 1 to ${most}.`);
  };
