import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { readConfig } from './config.ts';
import type { DlqAction } from './dlq.ts';
import { jetStreamName } from './jetStreamName.ts';

type FilterOptions = {
  readonly stream?: string;
  readonly consumer?: string;
  readonly reason?: string;
  readonly sequence?: number;
  readonly olderThan?: number;
  readonly newerThan?: number;
  readonly json: boolean;
};

const examples = `
NATS_URL (default nats://127.0.0.1:4222) and the other NATS_ variables of docs/worker.md say where the stream is.

Exit codes: 0 done; 1 failed, refused for some letters, or interrupted; 2 wrong arguments.

Examples:
  penstock dlq list DEAD --reason AttemptsExhausted --newer-than 2h
  penstock dlq show DEAD 17
  penstock dlq redrive DEAD --consumer thumbnails --dry-run
  penstock dlq purge DEAD --older-than 30d
  penstock dlq sweep IMAGES thumbnails --into DEAD --create --every 10`;

/** `penstock dlq …`: for the person who looks after dead letters. */
export function addDlqCommands(program: Command): void {
  const dlq = program
    .command('dlq')
    .description('Look at dead letters, send them back to their queues, or remove them.')
    .addHelpText('after', examples);

  withFilter(dlq.command('list'))
    .description('List dead letters, oldest first.')
    .option('--limit <n>', 'list no more than this many', count, 100)
    .action((stream: string, { limit, ...options }: FilterOptions & { limit: number }) =>
      run(stream, options, { kind: 'list', limit }),
    );

  dlq
    .command('show')
    .description('Show one dead letter with its headers and payload.')
    .argument('<dead-letter-stream>', 'what the workers have in PENSTOCK_DEAD_LETTER_STREAM', jetStreamName)
    .argument('<sequence>', 'its number in `penstock dlq list`', count)
    .option('--json', 'print a JSON object, the payload in base64', false)
    .action((stream: string, sequence: number, options: { json: boolean }) =>
      run(stream, options, { kind: 'show', sequence }),
    );

  withFilter(dlq.command('redrive'))
    .description(
      'Send jobs back to the subjects they came from; each letter is removed once its job is stored.',
    )
    .option('--dry-run', 'only count what would be sent', false)
    .option('--rate <per-second>', 'send no more than this many a second', rate, 100)
    .action((stream: string, { dryRun, rate: perSecond, ...options }: RedriveOptions) =>
      run(stream, options, { kind: 'redrive', dryRun, perSecond }),
    );

  const purge = withFilter(dlq.command('purge'))
    .description('Remove dead letters for good.')
    .option('--dry-run', 'only count what would be removed', false)
    .option('--all', 'remove all of them; without it, a filter is required', false)
    .action((stream: string, { dryRun, all, ...options }: PurgeOptions) => {
      const { json, ...filter } = options;
      if (!all && Object.keys(filter).length === 0) {
        purge.error('error: purge needs a filter, such as --older-than 30d, or --all');
      }
      return run(stream, { ...filter, json }, { kind: 'purge', dryRun });
    });

  addSweep(dlq);
}

type SweepOptions = {
  readonly into: string;
  readonly subject?: string;
  readonly advisories: string;
  readonly create: boolean;
  readonly every?: number;
  readonly json: boolean;
};

function addSweep(dlq: Command): void {
  dlq
    .command('sweep')
    .description(
      'Bury the jobs that the server gave up at the max_deliver of their consumer: those that take workers down.',
    )
    .argument('<stream>', 'stream of the jobs', jetStreamName)
    .argument('<consumer>', 'consumer of the workers', jetStreamName)
    .requiredOption(
      '--into <dead-letter-stream>',
      'what the workers have in PENSTOCK_DEAD_LETTER_STREAM',
      jetStreamName,
    )
    .option('--subject <subject>', 'what they have in PENSTOCK_DEAD_LETTER_SUBJECT, if they have')
    .option(
      '--advisories <stream>',
      'stream that keeps what the server says about them',
      jetStreamName,
      'PENSTOCK_ADVISORIES',
    )
    .option(
      '--create',
      'create that stream when it is missing; it hears only what is said from then on',
      false,
    )
    .option('--every <seconds>', 'go on until a signal ends it, with so many seconds between', everySeconds)
    .option('--json', 'print JSON, one object a line', false)
    .action(async (stream: string, consumer: string, options: SweepOptions) => {
      const { every, subject, ...rest } = options;
      const { sweep } = await import('./dlqSweep.ts');
      const args = { ...rest, stream, consumer, subject, everySeconds: every };
      process.exitCode = await sweep(args, readConfig().nats);
    });
}

type RedriveOptions = FilterOptions & { readonly dryRun: boolean; readonly rate: number };
type PurgeOptions = FilterOptions & { readonly dryRun: boolean; readonly all: boolean };

function withFilter(command: Command): Command {
  return command
    .argument('<dead-letter-stream>', 'what the workers have in PENSTOCK_DEAD_LETTER_STREAM', jetStreamName)
    .option('--stream <name>', 'only jobs of this stream', jetStreamName)
    .option('--consumer <name>', 'only jobs of this consumer', jetStreamName)
    .option('--reason <reason>', 'only this reason, e.g. Discarded, AttemptsExhausted, Expired')
    .option('--sequence <n>', 'only the letter with this number', count)
    .option('--older-than <age>', 'only what was given up longer ago, e.g. 90s, 15m, 6h, 7d', age)
    .option('--newer-than <age>', 'only what was given up since then', age)
    .option('--json', 'print JSON, one object a line', false);
}

async function run(
  stream: string,
  options: FilterOptions | { json: boolean },
  action: DlqAction,
): Promise<void> {
  const { json, ...filter } = options;
  const { dlq } = await import('./dlq.ts');
  process.exitCode = await dlq({ stream, filter, json, action }, readConfig().nats);
}

function everySeconds(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0.1 && value <= 86_400) return value;
  throw new InvalidArgumentError(`"${text}" is not a number of seconds between 0.1 and 86400.`);
}

const unitMs: Readonly<Record<string, number>> = { s: 1e3, m: 60e3, h: 3_600e3, d: 86_400e3 };

function age(text: string): number {
  const [, number, unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const ms = Number(number) * (unitMs[unit] ?? NaN);
  if (Number.isFinite(ms)) return ms;
  throw new InvalidArgumentError(`"${text}" is not an age such as 90s, 15m, 6h or 7d.`);
}

function count(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError(`"${text}" is not a whole number from 1.`);
}

function rate(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0.01 && value <= 100_000) return value;
  throw new InvalidArgumentError(`"${text}" is not a number a second between 0.01 and 100000.`);
}
