#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { Command, InvalidArgumentError } from 'commander';
import { PenstockError } from '#common/errors.ts';
import { readConfig } from './config.ts';
import { addDlqCommands } from './dlqCommand.ts';

// What the commands load below starts twice as fast the second time.
enableCompileCache();

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string; // npm refuses a package without one.
};

const program = new Command('penstock')
  .description('Queue workers on NATS JetStream, and the operator that scales them.')
  .version(version)
  .showHelpAfterError('Add --help to see what fits.')
  .configureHelp({ showGlobalOptions: true })
  .exitOverride();

program
  .command('local')
  .description('Run the operator on this machine: policies from YAML files, replicas as child processes.')
  .requiredOption(
    '-f, --file <file...>',
    'policy files with WorkerPool, NatsConnection and LocalProcess documents',
  )
  .option('--once', 'measure once, print what would be decided, start nothing', false)
  .option('--json', 'print one JSON object per pool and pass, instead of lines for people', false)
  .option('--period-seconds <seconds>', 'time between two looks at a pool', positive, 1)
  .option(
    '--http-port <port>',
    'serve /metrics, /healthz and /readyz on 127.0.0.1 (0 takes a free port)',
    port,
  )
  .addHelpText(
    'after',
    `
Environment:
  NATS_CREDS, NATS_NKEY, NATS_TOKEN, NATS_USER, NATS_PASSWORD, NATS_CA, NATS_CERT, NATS_KEY
                      credentials for the servers that the NatsConnection documents name
  PENSTOCK_LOG_LEVEL  logs on stderr: trace, debug, info, warn (default), error, silent

The first SIGINT or SIGTERM ends the replicas within their grace, the second at once.

Exit codes: 0 ended as asked; 1 failed (with --once: something could not be measured); 2 wrong arguments or files.

Example:
  penstock local -f examples/policies/hello.yaml`,
  )
  .action(
    async (options: {
      file: string[];
      once: boolean;
      json: boolean;
      periodSeconds: number;
      httpPort?: number;
    }) => {
      const { local } = await import('./local.ts');
      process.exitCode = await local({ ...options, httpPort: options.httpPort }, readConfig());
    },
  );

program
  .command('worker')
  .description('Run a worker with the default export of a module as its handler.')
  .argument('<module>', 'path of a .ts, .js or .mjs file that exports a function by default')
  .addHelpText(
    'after',
    `
All settings come from the environment: PENSTOCK_STREAM and PENSTOCK_CONSUMER are required, NATS_URL defaults to
nats://127.0.0.1:4222; docs/worker.md lists the rest.

Example:
  PENSTOCK_STREAM=JOBS PENSTOCK_CONSUMER=hello penstock worker examples/handlers/hello.ts`,
  )
  .action(async (module: string) => {
    const { runWorkerProgram } = await import('../worker/program.ts');
    process.exitCode = await runWorkerProgram(module);
  });

addDlqCommands(program);

program
  .command('crds')
  .description('Print the CustomResourceDefinitions, for kubectl apply -f -.')
  .option('--json', 'print a List as JSON instead of YAML documents', false)
  .action(async ({ json }: { json: boolean }) => {
    const { definitions, toYaml } = await import('#crds/definitions.ts');
    const list = { apiVersion: 'v1', kind: 'List', items: definitions() };
    process.stdout.write(
      json ? `${JSON.stringify(list, null, 2)}\n` : definitions().map(toYaml).join('---\n'),
    );
  });

try {
  await program.parseAsync();
} catch (error) {
  process.exit(exitCodeOf(error));
}
// Sockets and timers that a failed part may have left open must not keep an ended program alive.
process.exit();

function exitCodeOf(error: unknown): number {
  if (error instanceof Error && 'exitCode' in error) return error.exitCode === 0 ? 0 : 2; // commander has said it.
  if (!(error instanceof PenstockError)) {
    console.error(error);
    return 1;
  }
  console.error(`penstock: ${error.code}: ${error.message}`);
  return ['InvalidConfiguration', 'InvalidPolicy'].includes(error.code) ? 2 : 1;
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0.1 || value > 3_600) {
    throw new InvalidArgumentError(`"${text}" is not a number of seconds between 0.1 and 3600.`);
  }
  return value;
}

function port(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65_535) {
    throw new InvalidArgumentError(`"${text}" is not a port between 0 and 65535.`);
  }
  return value;
}
