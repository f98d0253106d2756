/**
 * Values for every field of a resource, good and bad, from its schema alone: a new field needs no test of its own. Its
 * schema is the one that people write by, before it is made structural: what is lost on that way must show.
 */
import fc from 'fast-check';
import { z } from 'zod';
import type { StructuralSchema } from '#crds/structural.ts';

/** Names, and 0 for an item of a list; empty for the resource's part as a whole. */
export type Path = readonly (string | 0)[];
export type Field = { readonly path: Path; readonly node: StructuralSchema };

/** One value that one keyword of the schema forbids. Undefined: the field is not there. */
export type Fault = { readonly keyword: string; readonly path: Path; readonly value: unknown };

/** As the API server writes it, e.g. `spec.sources[0].stream`. */
export const nameOf = (path: Path, part: 'spec' | 'status'): string =>
  path.reduce<string>((name, step) => (step === 0 ? `${name}[0]` : `${name}.${step}`), part);

export function writtenSchema(schema: z.ZodType): StructuralSchema {
  const json = z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input', unrepresentable: 'any' });
  return json as StructuralSchema; // The same keywords, and some more.
}

export function fieldsOf(node: StructuralSchema, path: Path = []): Field[] {
  const children: [string | 0, StructuralSchema][] =
    node.items === undefined ? Object.entries(node.properties ?? {}) : [[0, node.items]];
  return [{ path, node }, ...children.flatMap(([step, child]) => fieldsOf(child, [...path, step]))];
}

/** What each keyword of a field forbids. */
export function faultsOf({ path, node }: Field): Fault[] {
  const found: Fault[] = [];
  const add = (keyword: string, ...values: readonly unknown[]): void =>
    void found.push(...values.map((value) => ({ keyword, path, value })));
  add('type', ...wrongTypes(node));
  for (const name of node.properties === undefined ? [] : requiredOf(node))
    found.push({ keyword: 'required', path: [...path, name], value: undefined });
  if (node.additionalProperties === false)
    found.push({ keyword: 'additionalProperties', path: [...path, 'unheardOf'], value: 1 });

  const { minimum, maximum, minLength, maxLength, minItems, maxItems } = limitsOf(node);
  if (minimum !== undefined) add('minimum', minimum - 1, minimum - 1e12);
  if (maximum !== undefined) add('maximum', maximum + 1, maximum + 1e12);
  if (minLength !== undefined) add('minLength', textOf(node).slice(0, minLength - 1));
  if (maxLength !== undefined) add('maxLength', tooLong(node, maxLength));
  if (node['pattern'] !== undefined) add('pattern', `${textOf(node)} /`, `${textOf(node)}\n`);
  if (node['format'] === 'date-time') add('format', 'yesterday', '2026-13-02T03:04:05Z');
  if (node['enum'] !== undefined) add('enum', `${textOf(node)}x`, textOf(node).toLowerCase(), '');
  if (minItems !== undefined) add('minItems', distinctItems(node, minItems - 1));
  if (maxItems !== undefined) add('maxItems', distinctItems(node, maxItems + 1));
  if (isKeyed(node)) add(listType, [...distinctItems(node, 1), ...distinctItems(node, 1)]);
  return found;
}

const listType = 'x-kubernetes-list-type';
/** They forbid nothing, or only together with another; rules across fields have tests of their own. */
const annotations = new Set([
  'description',
  'default',
  'items',
  'properties',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-validations',
]);

/** Keywords that no fault is known for: what they forbid is not tested. */
export function untestedKeywords({ path, node }: Field): string[] {
  const tested = new Set(faultsOf({ path, node }).map(({ keyword }) => keyword));
  return Object.keys(node).filter((keyword) => {
    return node[keyword] !== undefined && !annotations.has(keyword) && !tested.has(keyword);
  });
}

/** Bounds that a field of its type must have, and has not. */
export function missingBounds({ node }: Field): string[] {
  const wanted: Readonly<Record<string, readonly string[]>> = {
    integer: ['minimum', 'maximum'],
    string: node['enum'] === undefined && node['format'] !== 'date-time' ? ['maxLength'] : [],
    array: ['maxItems'],
    object: ['properties'],
    boolean: [],
  };
  return wanted[node.type ?? '']?.filter((keyword) => node[keyword] === undefined) ?? ['type'];
}

/** The least valid value, but with `value` at `path`; with what is `given`, as far as that is of the right type. */
export function withValue(node: StructuralSchema, path: Path, value: unknown, given?: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (step === 0) {
    const [first, ...others] = Array.isArray(given) ? (given as unknown[]) : [];
    return [withValue(node.items ?? {}, rest, value, first), ...others];
  }
  const here = (isObject(given) ? given : leastOf(node)) as Readonly<Record<string, unknown>>;
  return { ...here, [step]: withValue(node.properties?.[step] ?? {}, rest, value, here[step]) };
}

/** Valid for each field by itself; rules across fields may be broken. Undefined is a field that is not there. */
export function anyOf(node: StructuralSchema): fc.Arbitrary<unknown> {
  const { minimum, maximum, minItems = 0, maxItems = 0 } = limitsOf(node);
  if (node.items !== undefined)
    return fc.array(anyOf(node.items), { minLength: minItems, maxLength: Math.min(maxItems, 3) });
  if (node.properties !== undefined) {
    const required = requiredOf(node);
    const children = Object.entries(node.properties).map(([name, child]) => {
      const given = anyOf(child);
      return [name, required.includes(name) ? given : fc.option(given, { freq: 2, nil: undefined })] as const;
    });
    return fc.record(Object.fromEntries(children));
  }
  if (node.type === 'integer') {
    return fc.oneof(
      fc.integer({ min: minimum ?? 0, max: maximum ?? 0 }),
      fc.integer({ min: minimum ?? 0, max: Math.min(maximum ?? 0, (minimum ?? 0) + 20) }),
    );
  }
  if (node.type === 'boolean') return fc.boolean();
  if (node['enum'] !== undefined) return fc.constantFrom(...(node['enum'] as unknown[]));
  const letters = fc.string({ unit: fc.constantFrom('a', 'Z', '9', '-', '_', '.', 'ä', '😀'), maxLength: 6 });
  return letters.map((ending) => {
    const text = textOf(node) + ending;
    return fits(node, text) ? text : textOf(node);
  });
}

/** Some are refused by every pattern, some by none; among them all that one language or another calls a blank. */
export const oddLetters: readonly string[] = Array.from(
  'aZ0-_.*>/\\:@,%#?+ \t\n\v\f\r\u0007\u0085\u00a0\u1680\u2003\u2028\u2029\u3000\ufeffä😀',
);

/** Values that some field refuses and another may take; near the bounds of this one, too. */
export function oddValue(node: StructuralSchema): fc.Arbitrary<unknown> {
  const { minimum = 0, maximum = 0, maxLength = 8, maxItems = 1 } = limitsOf(node);
  const text = fc.string({ unit: fc.constantFrom(...oddLetters), maxLength: 6 });
  const values = fc.oneof(
    fc.integer({ min: minimum - 2, max: minimum + 2 }),
    fc.integer({ min: maximum - 2, max: maximum + 2 }),
    fc.constantFrom(0.5, 1e300, -1, 2 ** 31, 2 ** 53, true, false, '', '5', [], {}, [[]], [{}], { a: 1 }),
    text,
    text.map((ending) => (node.type === 'string' ? textOf(node) + ending : ending)),
    fc.integer({ min: maxLength - 1, max: maxLength + 1 }).map((length) => textOf(node).padEnd(length, 'a')),
    fc
      .integer({ min: 0, max: maxItems + 1 })
      .map((count) => (node.items === undefined ? [] : distinctItems(node, count))),
    { arbitrary: anyOf(node), weight: 3 },
  );
  return values.filter((value) => !isTakenForTime(node, value));
}

/** Without null, which the API server takes for a field that is not there wherever it has a default. */
function wrongTypes(node: StructuralSchema): unknown[] {
  const values = { text: 'five', number: 5, fraction: 1.5, yes: true, list: ['five'], object: { five: 5 } };
  const own: Readonly<Record<string, keyof typeof values>> = {
    string: 'text',
    integer: 'number',
    boolean: 'yes',
    array: 'list',
    object: 'object',
  };
  return Object.entries(values)
    .filter(([name, value]) => name !== own[node.type ?? ''] && !isTakenForTime(node, value))
    .map(([, value]) => value);
}

/** The API server takes a list for a time, whatever is in it. Nobody but the operator writes times. */
const isTakenForTime = (node: StructuralSchema, value: unknown): boolean =>
  node['format'] === 'date-time' && Array.isArray(value);

function leastOf(node: StructuralSchema): unknown {
  if (node['default'] !== undefined) return node['default'];
  if (node.items !== undefined) return distinctItems(node, limitsOf(node).minItems ?? 0);
  if (node.properties !== undefined)
    return Object.fromEntries(requiredOf(node).map((name) => [name, leastOf(node.properties?.[name] ?? {})]));
  if (node.type === 'integer') return limitsOf(node).minimum ?? 0;
  return node.type === 'boolean' ? false : textOf(node);
}

const texts = ['work', '0 8 * * 1-5', 'nats://nats:4222', '12', '2026-01-02T03:04:05Z'];

/** @throws Error when a field wants a text of a kind that is not among `texts`. */
export function textOf(node: StructuralSchema): string {
  const [first] = Array.isArray(node['enum']) ? (node['enum'] as unknown[]) : [node['default']];
  const text = typeof first === 'string' ? first : texts.find((one) => fits(node, one));
  if (text !== undefined) return text;
  if (node.type !== 'string') return 'work';
  throw new Error(`no text fits ${JSON.stringify(node)}: add one that does`);
}

function fits(node: StructuralSchema, text: string): boolean {
  const { minLength = 0, maxLength = Infinity } = limitsOf(node);
  const { pattern = '', format } = node as { pattern?: string; format?: string };
  const isLongEnough = text.length >= minLength && text.length <= maxLength;
  const isTime = format !== 'date-time' || /^\d{4}-\d\d-\d\dT[\d:]+Z$/.test(text);
  return isLongEnough && isTime && new RegExp(pattern, 'u').test(text);
}

/** Wrong by nothing but its length. */
function tooLong(node: StructuralSchema, maxLength: number): string {
  const text = textOf(node);
  return text.padEnd(maxLength + 1, text.at(-1));
}

/** Items that differ in what they are told apart by. */
function distinctItems(node: StructuralSchema, count: number): unknown[] {
  const key = (node['x-kubernetes-list-map-keys'] as string[] | undefined)?.at(-1);
  const item = node.items ?? {};
  return Array.from({ length: Math.max(0, count) }, (_, i) => {
    if (item.type === 'string') return `${textOf(item)}${i}`;
    const least = leastOf(item);
    return key === undefined
      ? least
      : withValue(item, [key], `${textOf(item.properties?.[key] ?? {})}${i}`, least);
  });
}

const isKeyed = (node: StructuralSchema): boolean => ['set', 'map'].includes(String(node[listType]));

const requiredOf = (node: StructuralSchema): string[] => (node['required'] as string[] | undefined) ?? [];

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

type Limits = Partial<
  Record<'minimum' | 'maximum' | 'minLength' | 'maxLength' | 'minItems' | 'maxItems', number>
>;
const limitsOf = (node: StructuralSchema): Limits => node as Limits; // As JSON Schema has them.
