import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';

export type DemoConfig = {
  /** Wall time of the replay. */
  readonly seconds: number;
  /** Arrivals come this much faster than recorded; service times stay. */
  readonly speed: number;
  readonly traceFile: string;
  /** Where the closing figures go as JSON; `-` is stdout. */
  readonly jsonTo: string | undefined;
  /** Log lines instead of a view that is redrawn. */
  readonly plain: boolean;
  readonly color: boolean;
  /** For child processes: the settings of other NATS tools and workers must not leak into the demo. */
  readonly environment: Readonly<Record<string, string | undefined>>;
};

const bundledTrace = fileURLToPath(
  new URL('../examples/traces/azure_llm_code_2023_jobs.csv', import.meta.url),
);

/** @throws CommanderError for `--help` (exit code 0) and for arguments that do not fit; both are printed already. */
export function parseConfig(args: readonly string[]): DemoConfig {
  const command = demoCommand(
    'npm run demo --',
    'Replays a recorded arrival trace against real workers on a real nats-server, while the operator scales them ' +
      'from zero and back.',
  );
  return compileConfig(command.parse(args, { from: 'user' }));
}

/** A command with the options that every demo has. */
export function demoCommand(name: string, description: string): Command {
  return new Command(name)
    .description(
      `${description} Ctrl-C ends the replay early; a second one ends everything at once.\n\n` +
        'Exit code: 0 nothing was lost and the replicas are back at their floor, 1 otherwise, 2 wrong arguments.',
    )
    .option('--seconds <n>', 'wall time of the replay', parseNumber(1, 86_400), 90)
    .option('--speed <x>', 'arrivals come x times as fast as recorded', parseNumber(0.01, 1_000), 4)
    .addOption(
      new Option('--trace <file>', 'CSV with one row per job, columns t (seconds) and gen (tokens)').default(
        bundledTrace,
        'the bundled Azure LLM code trace',
      ),
    )
    .option('--json <out>', 'write the closing figures as JSON to a file, or to stdout with "-"')
    .option('--plain', 'a log line each second instead of the redrawn view', false)
    .allowExcessArguments(false)
    .exitOverride();
}

/** What a command of `demoCommand` was given. */
export function compileConfig(command: Command): DemoConfig {
  const options = command.opts<{
    seconds: number;
    speed: number;
    trace: string;
    json?: string;
    plain: boolean;
  }>();
  return {
    seconds: options.seconds,
    speed: options.speed,
    traceFile: options.trace,
    jsonTo: options.json,
    plain: options.plain || process.env['TERM'] === 'dumb',
    color: (process.env['NO_COLOR'] ?? '') === '',
    environment: Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^(NATS|PENSTOCK)_/.test(name)),
    ),
  };
}

function parseNumber(least: number, most: number): (value: string) => number {
  return (value) => {
    const parsed = value.trim() === '' ? Number.NaN : Number(value);
    if (parsed >= least && parsed <= most) return parsed;
    throw new InvalidArgumentError(`Give a number from ${least} to ${most}.`);
  };
}
