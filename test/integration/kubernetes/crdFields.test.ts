/** Every field of the resources, from their schemas: what one of API server and zod refuses, the other does too. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { natsConnectionSpecSchema } from '#crds/nats-connection.ts';
import { workerPoolStatusSchema } from '#crds/worker-pool-status.ts';
import { workerPoolSpecSchema } from '#crds/worker-pool.ts';
import { createPool, installCrds, merge } from '../../builders/kubernetesRig.ts';
import { propertyRuns } from '../../builders/propertyRuns.ts';
import {
  anyOf,
  faultsOf,
  fieldsOf,
  missingBounds,
  nameOf,
  oddLetters,
  oddValue,
  textOf,
  untestedKeywords,
  withValue,
  writtenSchema,
} from '../../builders/schemaFields.ts';
import type { Path } from '../../builders/schemaFields.ts';
import type { ApiAnswer } from '../../tools/apiClient.ts';
import { startApiServer } from '../../tools/apiServer.ts';
import type { ApiServer } from '../../tools/apiServer.ts';

const group = '/apis/penstock.dev/v1alpha1/namespaces/default';
/** Asks for no change, and takes an unknown field for a mistake, as kubectl does. */
const query = 'dryRun=All&fieldValidation=Strict';

/** Each is a request, so fewer than of other properties. */
const runs = Math.round(Math.min(Math.max(propertyRuns / 5, 200), 1_000));

type Part = {
  readonly schema: z.ZodType;
  readonly part: 'spec' | 'status';
  readonly ask: (value: unknown) => Promise<ApiAnswer>;
};

const ofNew =
  (kind: string, plural: string) =>
  (spec: unknown): Promise<ApiAnswer> => {
    const resource = { apiVersion: 'penstock.dev/v1alpha1', kind, metadata: { name: 'case' }, spec };
    return api.ask('POST', `${group}/${plural}?${query}`, resource);
  };

/** The operator tells no condition twice; what has been stored is not asked for it again. */
const statusSchema = workerPoolStatusSchema.refine(
  ({ conditions = [] }) => new Set(conditions.map(({ type }) => type)).size === conditions.length,
  { path: ['conditions'] },
);

const parts: Readonly<Record<string, Part>> = {
  'WorkerPool spec': {
    schema: workerPoolSpecSchema,
    part: 'spec',
    ask: ofNew('WorkerPool', 'workerpools'),
  },
  'WorkerPool status': {
    schema: statusSchema,
    part: 'status',
    ask: (status) => api.ask('PATCH', `${group}/workerpools/shown/status?${query}`, { status }, merge),
  },
  'NatsConnection spec': {
    schema: natsConnectionSpecSchema,
    part: 'spec',
    ask: ofNew('NatsConnection', 'natsconnections'),
  },
};

let api: ApiServer;

beforeAll(async () => {
  api = await startApiServer({ controllers: false });
  await installCrds(api);
  await createPool(api, 'default', 'shown');
});
afterAll(() => api[Symbol.asyncDispose]());

describe.each(Object.entries(parts))('%s', (_, { schema, part, ask }) => {
  const structure = writtenSchema(schema);
  const fields = fieldsOf(structure);

  test('has no field without bounds, and no keyword that is not tried', () => {
    const gaps = fields.map((field) => [
      nameOf(field.path, part),
      ...missingBounds(field),
      ...untestedKeywords(field),
    ]);
    expect(gaps.filter(([, ...keywords]) => keywords.length > 0)).toEqual([]);
  });

  test.each(fields.map((field) => [nameOf(field.path, part), field] as const))(
    '%s refuses what its schema forbids, and both say where',
    async (_name, field) => {
      for (const { keyword, path, value } of faultsOf(field)) {
        const given = asJson(withValue(structure, path, value));
        const name = nameOf(path, part);
        const tried = `${keyword}: ${name} ${JSON.stringify({ value }).slice(0, 80)}`;
        const { status, body } = await ask(given);
        expect.soft([400, 422], `${tried}: ${JSON.stringify(body)}`).toContain(status);
        expect.soft(JSON.stringify(body), tried).toContain(name);
        expect.soft(zodNames(schema, given, part), tried).toContain(name);
      }
    },
  );

  test('a pattern means the same to both, letter by letter', async () => {
    const byPattern = new Map(fields.map((field) => [field.node['pattern'], field]));
    byPattern.delete(undefined);
    for (const { path, node } of byPattern.values()) {
      for (const letter of oddLetters) {
        const value = withValue(structure, path, textOf(node) + letter);
        const issues = schema.safeParse(value).error?.issues ?? [];
        const { status, body } = await ask(value);
        const told = `${nameOf(path, part)} with ${JSON.stringify(letter)}: ${JSON.stringify(body)}`;
        expect.soft(status < 300, told).toBe(issues.every(({ code }) => code !== 'invalid_format'));
      }
    }
  });

  const verdictsOn = async (values: fc.Arbitrary<unknown>): Promise<{ taken: number; refused: number }> => {
    const sensible = values.map(asJson).filter((value) => hasSense(schema, value));
    const verdicts = { taken: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(sensible, async (value) => {
        const isTaken = schema.safeParse(value).success;
        verdicts[isTaken ? 'taken' : 'refused'] += 1;
        const { status, body } = await ask(value);
        expect(status < 300, `${status} ${JSON.stringify(body)}`).toBe(isTaken);
      }),
      { numRuns: runs },
    );
    return verdicts;
  };

  test('both judge alike whether fields that are valid go together', async () => {
    const { taken } = await verdictsOn(anyOf(structure));
    expect(taken).toBeGreaterThan(runs / 20);
  });

  test('both judge alike what is changed in a valid one', async () => {
    const valid = anyOf(structure).filter((value) => schema.safeParse(value).success);
    const change = fc
      .constantFrom(...fields.filter(({ path }) => path.length > 0))
      .chain((field) => oddValue(field.node).map((value) => ({ path: field.path, value })));
    const changed = fc
      .tuple(valid, change)
      .map(([given, { path, value }]) => withValue(structure, path, value, given));
    const { taken, refused } = await verdictsOn(changed);
    expect(Math.min(taken, refused)).toBeGreaterThan(runs / 20);
  });
});

test.each(['timeZone', 'start', 'end'])(
  'whether %s of a schedule makes sense is judged by zod alone',
  async (field) => {
    const office = { name: 'office', timeZone: 'UTC', start: '0 8 * * *', end: '0 18 * * *', minReplicas: 1 };
    const schedules = [{ ...office, [field]: field === 'timeZone' ? 'Mars/Base' : '0 8 30 2 *' }];
    const source = { connection: 'nats', stream: 'JOBS', consumer: 'work' };
    const spec = { scaleTargetRef: { name: 'work' }, sources: [source], maxReplicas: 5, schedules };
    const { status, body } = await ofNew('WorkerPool', 'workerpools')(spec);
    expect(status, JSON.stringify(body)).toBe(201);
    expect(workerPoolSpecSchema.safeParse(spec).success).toBe(false);
  },
);

/** What JSON cannot carry is not there for zod either. */
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/** Where zod finds something wrong. */
function zodNames(schema: z.ZodType, value: unknown, part: Part['part']): string[] {
  const issues = schema.safeParse(value).error?.issues ?? [];
  return issues.flatMap((issue) => {
    const path = issue.path as Path;
    const paths = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...path, key]) : [path];
    return paths.map((one) => nameOf(one, part));
  });
}

/** Whether an expression or a time zone makes sense is judged by zod alone, and tested apart. */
function hasSense(schema: z.ZodType, value: unknown): boolean {
  const issues = schema.safeParse(value).error?.issues ?? [];
  return !issues.some(({ code, path }) => code === 'custom' && path[0] === 'schedules' && path.length === 3);
}
