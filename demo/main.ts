/**
 * `npm run demo`: see --help. Exit code 0 when nothing was lost and the replicas are back at their floor, 1 when not,
 * 2 for arguments that do not fit.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { CommanderError } from 'commander';
import { systemClock } from '#common/clock.ts';
import { PenstockError, describeError } from '#common/errors.ts';
import { listenForShutdown } from '#common/shutdown.ts';
import { parseConfig } from './config.ts';
import type { DemoConfig } from './config.ts';
import { runDemo } from './run.ts';
import { renderSummary } from './summary.ts';
import { openView } from './view.ts';

// The terminal is gone: nobody waits for an orderly end, and what we started must not stay behind.
process.once('SIGHUP', () => process.exit(1));
process.exit(await main(process.argv.slice(2)));

async function main(args: readonly string[]): Promise<number> {
  try {
    return await demonstrate(parseConfig(args));
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    process.stderr.write(`demo: ${describeError(error)}\n`);
    return error instanceof PenstockError && error.code === 'InvalidTrace' ? 2 : 1;
  }
}

async function demonstrate(config: DemoConfig): Promise<number> {
  const screen = config.jsonTo === '-' ? process.stderr : process.stdout;
  using shutdown = listenForShutdown();
  using view = openView(screen, {
    title: `${basename(config.traceFile)} for ${config.seconds} s at speed ${config.speed}`,
    plain: config.plain,
    color: config.color,
  });
  const summary = await runDemo(config, view, shutdown, systemClock);
  screen.write(renderSummary(summary));
  const json = `${JSON.stringify(summary, null, 2)}\n`;
  if (config.jsonTo === '-') process.stdout.write(json);
  else if (config.jsonTo !== undefined) {
    await mkdir(dirname(config.jsonTo), { recursive: true });
    await writeFile(config.jsonTo, json);
  }
  return summary.problems.length === 0 ? 0 : 1;
}
