/**
 * Writes the reference pages that come from the schemas; with `--check` it only compares, and fails on a difference.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format } from 'prettier';
import { z } from 'zod';
import { localProcessSchema } from '#crds/local-process.ts';
import { natsConnectionSchema } from '#crds/nats-connection.ts';
import { workerPoolSpecSchema } from '#crds/worker-pool.ts';

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

const intro = `<!-- Written by \`npm run docs\` from the schemas in crds/. -->

# Policy files

A policy file holds YAML documents of three kinds, all of \`apiVersion: penstock.dev/v1alpha1\`. \`WorkerPool\` and
\`NatsConnection\` are the resources of a cluster, too; \`LocalProcess\` is what \`penstock local\` runs replicas of, in
the place of a Deployment. A field that is not listed here is refused.
`;

const page = [
  intro,
  section('WorkerPool', 'One policy: what is scaled, on which queues, and how.', workerPoolSpecSchema),
  section('NatsConnection', 'How to reach one NATS system.', natsConnectionSchema.shape.spec),
  section('LocalProcess', 'A program to run replicas of, on this machine.', localProcessSchema.shape.spec),
].join('\n');

const file = fileURLToPath(new URL('./worker-pool.md', import.meta.url));
const written = await format(page, { parser: 'markdown', printWidth: 110 });
if (process.argv.includes('--check')) {
  const isSame = readFileSync(file, 'utf8') === written;
  if (!isSame) console.error('docs/worker-pool.md differs from the schemas: run `npm run docs`');
  process.exitCode = isSame ? 0 : 1;
} else writeFileSync(file, written);

function section(kind: string, summary: string, schema: z.ZodType): string {
  const json = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    unrepresentable: 'any',
  }) as Schema;
  const rows = fields(json, 'spec');
  return [`## ${kind}`, summary, '| field | type | default | meaning |\n|---|---|---|---|', ...rows]
    .join('\n\n')
    .replaceAll('|\n\n|', '|\n|');
}

function fields(schema: Schema, path: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const here = `${path}.${name}`;
    const inner = field.properties === undefined ? field.items : field;
    const at = field.items === undefined ? here : `${here}[]`;
    const isRequired = schema.required?.includes(name) === true;
    const row = `| \`${here}\` | ${typeOf(field)} | ${defaultOf(field, isRequired)} | ${field.description ?? ''} |`;
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
