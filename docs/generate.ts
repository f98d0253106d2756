/**
 * Writes the reference pages that come from the schemas; with `--check` it only compares, and fails on a difference.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { z } from 'zod';
import { localProcessSchema } from '#crds/local-process.ts';
import { natsConnectionSpecSchema } from '#crds/nats-connection.ts';
import { workerPoolSpecSchema } from '#crds/worker-pool.ts';
import { operatorEnvironmentSchema } from '../operator/config.ts';
import { OperatorMetrics } from '../operator/report/metrics.ts';
import { workerEnvironmentSchema } from '../worker/config.ts';
import { Window } from '../worker/consume/window.ts';
import { intakeEnvironmentSchema } from '../worker/intake/config.ts';
import { IntakeMetrics } from '../worker/intake/metrics.ts';
import { Counters } from '../worker/report/counters.ts';
import { renderMetrics } from '../worker/report/metrics.ts';
import { chartValues } from './chartValues.ts';

type Schema = {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
};

const note = (from: string): string => `<!-- Written by \`npm run docs\` from ${from}. -->`;

const pages: Record<string, string> = {
  'worker-pool.md': [
    note('the schemas in crds/'),
    `# Policy files

A policy file holds YAML documents of three kinds, all of \`apiVersion: penstock.dev/v1alpha1\`. \`WorkerPool\` and
\`NatsConnection\` are the resources of a cluster, too; \`LocalProcess\` is what \`penstock local\` runs replicas of, in
the place of a Deployment. A field that is not listed here is refused.
`,
    section('WorkerPool', 'One policy: what is scaled, on which queues, and how.', workerPoolSpecSchema),
    section('NatsConnection', 'How to reach one NATS system.', natsConnectionSpecSchema),
    section('LocalProcess', 'A program to run replicas of, on this machine.', localProcessSchema.shape.spec),
  ].join('\n'),
  'operator.md': [
    note('operator/config.ts'),
    `# Settings of the operator on Kubernetes

From the environment; an empty value counts as not set. \`penstock local --help\` lists those of the operator on one
machine. Exit codes: 0 ended as asked, 1 failed or lost its lease, 2 wrong settings.
`,
    table(['variable', 'meaning'], settings(operatorEnvironmentSchema)),
  ].join('\n'),
  'metrics.md': [
    note('the metrics themselves'),
    `# Metrics

In the Prometheus text format at \`/metrics\`. A figure that is not known has no sample, so that an alert on it sees
"absent" and never a false 0. Series of a pool are removed with it.
`,
    '## Operator\n\nLabel `pool` is namespace/name. Beside these there are the usual ones of the process and of Node.\n',
    table(['metric', 'type', 'meaning'], metrics(await operatorMetrics())),
    '\n## Worker\n\nLabels `stream` and `consumer` on each.\n',
    table(['metric', 'type', 'meaning'], metrics(await workerMetrics())),
    '\n## Intake\n',
    table(['metric', 'type', 'meaning'], metrics(await intakeMetrics())),
  ].join('\n'),
  'charts.md': [
    note('the values.yaml of the charts'),
    `# Values of the charts

A value that is not listed here, or does not fit, is refused before anything is installed.
[Penstock on Kubernetes](kubernetes.md) tells how they are used.
`,
    ...['penstock', 'penstock-worker'].flatMap((chart) => [
      `\n## charts/${chart}\n`,
      table(
        ['value', 'default', 'meaning'],
        chartValues(new URL(`../charts/${chart}/values.yaml`, import.meta.url)),
      ),
    ]),
  ].join('\n'),
};

/** Pages that people write, with a table that comes from a schema between two comments. */
const written: Readonly<Record<string, string>> = {
  'worker.md': table(['variable', 'meaning'], settings(workerEnvironmentSchema)),
  'intake.md': table(['variable', 'meaning'], settings(intakeEnvironmentSchema)),
};
const begin = '<!-- Written by `npm run docs`, up to the next comment. -->';
const end = '<!-- End of what `npm run docs` writes. -->';
for (const [name, content] of Object.entries(written)) {
  const [before, rest = ''] = readFileSync(new URL(`./${name}`, import.meta.url), 'utf8').split(begin);
  const [, after] = rest.split(end);
  if (after === undefined) throw new Error(`docs/${name} lacks the comments around what is generated`);
  pages[name] = [before, begin, '\n\n', content, '\n\n', end, after].join('');
}

const isCheck = process.argv.includes('--check');
for (const [name, page] of Object.entries(pages)) {
  const file = fileURLToPath(new URL(`./${name}`, import.meta.url));
  const formatted = await format(page, { ...(await resolveConfig(file)), parser: 'markdown' });
  if (!isCheck) writeFileSync(file, formatted);
  else if (readFileSync(file, 'utf8') !== formatted) {
    console.error(`docs/${name} is out of date: run \`npm run docs\``);
    process.exitCode = 1;
  }
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function settings(schema: z.ZodObject): string[][] {
  return Object.entries(schema.shape).map(([name, field]) => [
    `\`${name}\``,
    (field as z.ZodType).description ?? '',
  ]);
}

/** From the text that is scraped: `# HELP name text` and `# TYPE name type`. Metrics of the process are left out. */
function metrics(scraped: string): string[][] {
  const lines = [...scraped.matchAll(/^# HELP (penstock_\S+) (.*)\n# TYPE \S+ (\S+)$/gm)];
  return lines.map(([, name = '', help = '', type = '']) => [`\`${name}\``, type, help]);
}

async function operatorMetrics(): Promise<string> {
  return (await Array.fromAsync(new OperatorMetrics().reply().pieces)).join('');
}

async function workerMetrics(): Promise<string> {
  const vitals = {
    state: 'running' as const,
    breaker: undefined,
    window: new Window(1, 0),
    lanes: 0,
    limits: [],
    retryBudgetLeft: undefined,
    slotStates: 0,
    published: undefined,
    threads: undefined,
    counters: new Counters(),
    runningMs: 0,
    oldestRunningMs: 0,
    slotMs: 0,
  };
  return (await renderMetrics({ stream: 'STREAM', consumer: 'consumer' }, vitals)).body;
}

async function intakeMetrics(): Promise<string> {
  return (await new IntakeMetrics(() => ({ inFlight: 0, backlog: undefined })).render()).body;
}

function section(kind: string, summary: string, schema: z.ZodType): string {
  const json = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    unrepresentable: 'any',
  }) as Schema;
  return [
    `## ${kind}`,
    summary,
    table(['field', 'type', 'default', 'meaning'], fields(json, 'spec')),
    '',
  ].join('\n\n');
}

function fields(schema: Schema, path: string): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const here = `${path}.${name}`;
    const inner = field.properties === undefined ? field.items : field;
    const at = field.items === undefined ? here : `${here}[]`;
    const isRequired = schema.required?.includes(name) === true;
    const row = [`\`${here}\``, typeOf(field), defaultOf(field, isRequired), field.description ?? ''];
    return [row, ...(inner === undefined ? [] : fields(inner, at))];
  });
}

function typeOf({ type, enum: values, minimum, maximum, items, maxItems }: Schema): string {
  if (values !== undefined) return values.map((value) => `\`${String(value)}\``).join(', ');
  if (type === 'array') return `list of ${items?.type ?? 'values'}, at most ${maxItems ?? '?'}`;
  if (type === 'integer') return `${minimum ?? ''} … ${maximum ?? ''}`;
  return type ?? 'any';
}

function defaultOf({ default: value, properties }: Schema, isRequired: boolean): string {
  if (isRequired) return 'required';
  if (value === undefined || properties !== undefined) return '';
  return `\`${JSON.stringify(value).replaceAll('"', '')}\``;
}
