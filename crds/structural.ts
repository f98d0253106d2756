import { z } from 'zod';

/** A node of a structural schema, as a CustomResourceDefinition wants it. */
export type StructuralSchema = {
  type?: string;
  properties?: Record<string, StructuralSchema>;
  items?: StructuralSchema;
  additionalProperties?: StructuralSchema | boolean;
  [keyword: string]: unknown;
};

/** Keywords that make a schema not structural; a resource that needs one must be written differently. */
const forbidden = [
  '$ref',
  'oneOf',
  'anyOf',
  'allOf',
  'not',
  'patternProperties',
  'definitions',
  'dependencies',
];
const int32 = { minimum: -2_147_483_648, maximum: 2_147_483_647 };

/**
 * The structural schema of what people write (defaults are optional in it).
 *
 * @throws Error naming the path of a node that a CustomResourceDefinition cannot express, that has no bound on its
 *   size, or that nobody described.
 */
export function toStructuralSchema(schema: z.ZodType, path: string): StructuralSchema {
  const json = z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input', unrepresentable: 'any' });
  return adapt(json as StructuralSchema, path, true);
}

function adapt(node: StructuralSchema, path: string, isRoot = false): StructuralSchema {
  for (const keyword of forbidden)
    if (keyword in node) throw new Error(`${path}: ${keyword} is not structural`);
  if (node.type === undefined) throw new Error(`${path}: has no type`);
  if (!isRoot && node['description'] === undefined && !path.endsWith('[]'))
    throw new Error(`${path}: has no description`);
  // Unknown fields are pruned (and refused by clients that validate): CRDs have no word for a closed object.
  const { additionalProperties, ...adapted } = node;
  if (typeof additionalProperties === 'object') {
    adapted['additionalProperties'] = adapt(additionalProperties, `${path}[]`);
    if (node['maxProperties'] === undefined) throw new Error(`${path}: has no maxProperties`);
  }
  if (node.type === 'integer') Object.assign(adapted, integerKeywords(node));
  if (node.type === 'string') Object.assign(adapted, stringKeywords(node, path));
  if (node.type === 'array' && node['maxItems'] === undefined) throw new Error(`${path}: has no maxItems`);
  if (node.items !== undefined) adapted.items = adapt(node.items, `${path}[]`);
  if (node.properties !== undefined) {
    adapted.properties = Object.fromEntries(
      Object.entries(node.properties).map(([name, child]) => [name, adapt(child, `${path}.${name}`)]),
    );
  }
  return adapted;
}

function integerKeywords({ minimum, maximum }: StructuralSchema): StructuralSchema {
  const isBelow = typeof minimum === 'number' && minimum >= int32.minimum;
  const isAbove = typeof maximum === 'number' && maximum <= int32.maximum;
  return { format: isBelow && isAbove ? 'int32' : 'int64' };
}

function stringKeywords(node: StructuralSchema, path: string): StructuralSchema {
  if (node['format'] === 'date-time') return { pattern: undefined, maxLength: 64 };
  if (node['enum'] === undefined && node['maxLength'] === undefined)
    throw new Error(`${path}: has no maxLength`);
  return {};
}
