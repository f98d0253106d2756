/**
 * `npm run demo`: see --help. Exit code 0 when nothing was lost and the replicas are back at their floor, 1 when not,
 * 2 for arguments that do not fit.
 */
import { parseConfig } from './config.ts';
import { present } from './present.ts';
import { runDemo } from './run.ts';

// The terminal is gone: nobody waits for an orderly end, and what we started must not stay behind.
process.once('SIGHUP', () => process.exit(1));
process.exit(
  await present(() => {
    const config = parseConfig(process.argv.slice(2));
    return { config, run: (view, shutdown, clock) => runDemo(config, view, shutdown, clock) };
  }),
);
