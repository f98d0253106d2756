#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { Command, InvalidArgumentError } from 'commander';
import { PenstockError } from '#common/errors.ts';
import { exitCodeOf } from '#common/exitCode.ts';
import { readConfig } from './config.ts';
import { addDlqCommands } from './dlqCommand.ts';
import { addPartitionsCommands } from './partitionsCommand.ts';
import { addSimulateCommand } from './simulate/command.ts';

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
  .enablePositionalOptions()
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
    'serve /metrics, /pools, /healthz and /readyz on 127.0.0.1 (0 takes a free port)',
    port,
  )
  .option('--record <file>', 'record what is seen and decided, for explain and simulate')
  .option(
    '--record-megabytes <number>',
    'most that the record and the one before it, FILE.1, take together',
    megabytes,
    100,
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
      record?: string;
      recordMegabytes: number;
    }) => {
      const { local } = await import('./local.ts');
      const { httpPort, record } = options;
      process.exitCode = await local({ ...options, httpPort, record }, readConfig());
    },
  );

addSimulateCommand(program);

program
  .command('explain')
  .description(
    'Say why a pool has the replicas it has: figures, rules, cause, what would help, what comes next.',
  )
  .argument('<what>', 'a pool (NAME or NAMESPACE/NAME) of a running operator, or the path of a record')
  .option('--url <url>', 'where the operator serves HTTP', httpUrl, 'http://127.0.0.1:8080')
  .option('--pool <name>', 'which pool of the record, when it has several')
  .option('--time <time>', 'the last pass of the record until then, e.g. 2026-01-02T03:04:05Z', isoTime)
  .option('--json', 'print one JSON object instead of a page', false)
  .addHelpText(
    'after',
    `
A running operator is asked for its last pass; nothing is measured for it. On one machine that is
penstock local --http-port 8080; on Kubernetes
  kubectl -n penstock port-forward deploy/penstock 8080
A record is written by penstock local --record FILE or PENSTOCK_RECORD_FILE.

Exit codes: 0 explained; 1 no answer, or no such pool; 2 wrong arguments or record.

Examples:
  penstock explain thumbnails
  penstock explain media/thumbnails --url http://127.0.0.1:8080 --json
  penstock explain passes.jsonl --pool thumbnails --time 2026-01-02T03:04:05Z`,
  )
  .action(async (what: string, options: { url: string; pool?: string; time?: string; json: boolean }) => {
    const { explain } = await import('./explain.ts');
    await explain({ what, ...options, pool: options.pool, time: options.time });
  });

program
  .command('worker')
  .description('Run a worker: each job is a call of a module, a request to a server, or a run of a program.')
  .argument('<handler>', 'path of a module that exports a function by default, http(s)://…, or exec:PROGRAM')
  .argument('[args...]', 'arguments of the program')
  .passThroughOptions()
  .addHelpText(
    'after',
    `
A module runs in the worker itself, or in threads of it with PENSTOCK_HANDLER_THREADS=true. A server gets each job as a
POST; its status is the answer: 2xx done, 4xx give up, 429 and 5xx again. A program gets it on stdin; its exit code is
the answer: 0 done, 65 give up, others again.

All settings come from the environment: PENSTOCK_STREAM and PENSTOCK_CONSUMER are required, NATS_URL defaults to
nats://127.0.0.1:4222; docs/worker.md lists the rest.

Exit codes: 0 ended as asked; 1 failed, or NATS did not confirm the goodbye; 2 wrong settings or handler;
3 ended because its memory passed PENSTOCK_MAX_MEMORY_MIB.

Examples:
  PENSTOCK_STREAM=JOBS PENSTOCK_CONSUMER=hello penstock worker examples/handlers/hello.ts
  PENSTOCK_STREAM=JOBS PENSTOCK_CONSUMER=hello penstock worker http://127.0.0.1:8080/jobs
  PENSTOCK_STREAM=JOBS PENSTOCK_CONSUMER=hello penstock worker exec:./resize --width 200`,
  )
  .action(async (handler: string, args: string[]) => {
    const { runWorkerProgram } = await import('../worker/program.ts');
    process.exitCode = await runWorkerProgram(handler, args);
  });

program
  .command('intake')
  .description('Take jobs in by HTTP and put them into streams.')
  .addHelpText(
    'after',
    `
A POST is answered by 202 with the sequence number once it is stored, by 503 with Retry-After when there is no room,
and by 400, 404 or 413 when it is no good. Its Idempotency-Key header becomes the message id.

All settings come from the environment: PENSTOCK_INTAKE_ROUTES is required, NATS_URL defaults to
nats://127.0.0.1:4222; docs/intake.md lists the rest.

Exit codes: 0 ended as asked; 1 could not start; 2 wrong settings.

Example:
  PENSTOCK_INTAKE_ROUTES=/images=IMAGES.new penstock intake`,
  )
  .action(async () => {
    const config = await import('../worker/intake/config.ts');
    const { runIntake } = await import('../worker/intake/program.ts');
    await runIntake(config.readConfig());
  });

addDlqCommands(program);
addPartitionsCommands(program);

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
  process.exit(report(error));
}
// Sockets and timers that a failed part may have left open must not keep an ended program alive.
process.exit();

/** @returns the exit code. */
function report(error: unknown): number {
  if (error instanceof Error && 'exitCode' in error) return error.exitCode === 0 ? 0 : 2; // commander has said it.
  console.error(error instanceof PenstockError ? `penstock: ${error.code}: ${error.message}` : error);
  return exitCodeOf(error);
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0.1 || value > 3_600) {
    throw new InvalidArgumentError(`"${text}" is not a number of seconds between 0.1 and 3600.`);
  }
  return value;
}

function httpUrl(text: string): string {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) {
    throw new InvalidArgumentError(`"${text}" is not a URL such as http://127.0.0.1:8080.`);
  }
  return text;
}

function isoTime(text: string): string {
  if (Number.isNaN(Date.parse(text))) {
    throw new InvalidArgumentError(`"${text}" is not a time such as 2026-01-02T03:04:05Z.`);
  }
  return text;
}

function megabytes(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 1 || value > 1_000_000) {
    throw new InvalidArgumentError(`"${text}" is not a number of megabytes between 1 and 1000000.`);
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
