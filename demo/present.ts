import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { CommanderError } from 'commander';
import { systemClock } from '#common/clock.ts';
import type { Clock } from '#common/clock.ts';
import { PenstockError, describeError } from '#common/errors.ts';
import { listenForShutdown } from '#common/shutdown.ts';
import type { Shutdown } from '#common/shutdown.ts';
import type { DemoConfig } from './config.ts';
import { renderSummary } from './summary.ts';
import type { DemoSummary } from './summary.ts';
import { openView } from './view.ts';
import type { View } from './view.ts';

export type Demo = {
  readonly config: DemoConfig;
  readonly run: (view: View, shutdown: Shutdown, clock: Clock) => Promise<DemoSummary>;
};

/** A demo from its arguments to its closing table. Returns the exit code. */
export async function present(prepare: () => Demo): Promise<number> {
  try {
    return await demonstrate(prepare());
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    process.stderr.write(`demo: ${describeError(error)}\n`);
    return error instanceof PenstockError && error.code === 'InvalidTrace' ? 2 : 1;
  }
}

async function demonstrate({ config, run }: Demo): Promise<number> {
  const screen = config.jsonTo === '-' ? process.stderr : process.stdout;
  using shutdown = listenForShutdown();
  using view = openView(screen, {
    title: `${basename(config.traceFile)} for ${config.seconds} s at speed ${config.speed}`,
    plain: config.plain,
    color: config.color,
  });
  const summary = await run(view, shutdown, systemClock);
  screen.write(renderSummary(summary));
  const json = `${JSON.stringify(summary, null, 2)}\n`;
  if (config.jsonTo === '-') process.stdout.write(json);
  else if (config.jsonTo !== undefined) {
    await mkdir(dirname(config.jsonTo), { recursive: true });
    await writeFile(config.jsonTo, json);
  }
  return summary.problems.length === 0 ? 0 : 1;
}
