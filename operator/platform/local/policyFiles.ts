import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { LineCounter, isNode, parseAllDocuments } from 'yaml';
import type { Document } from 'yaml';
import { z } from 'zod';
import { describeError } from '#common/errors.ts';
import { localProcessSchema } from '#crds/local-process.ts';
import type { LocalProcess } from '#crds/local-process.ts';
import { apiVersion } from '#crds/metadata.ts';
import { natsConnectionSchema } from '#crds/nats-connection.ts';
import type { NatsConnectionResource } from '#crds/nats-connection.ts';
import { workerPoolSchema } from '#crds/worker-pool.ts';
import type { WorkerPool } from '#crds/worker-pool.ts';

/** A mistake in a policy file, with the place to mend. */
export type Problem = {
  readonly file: string;
  /** 1-based; 0 when the file as a whole is meant. */
  readonly line: number;
  /** e.g. `spec.maxReplicas`; empty when the document as a whole is meant. */
  readonly field: string;
  readonly message: string;
};

/** A resource and where it stands, so that later checks can point there too. */
export type Placed<T> = {
  readonly resource: T;
  readonly file: string;
  readonly line: (field: string) => number;
};

export type Policies = {
  readonly pools: readonly Placed<WorkerPool>[];
  readonly connections: readonly Placed<NatsConnectionResource>[];
  readonly processes: readonly Placed<LocalProcess>[];
};

export type ReadResult = { readonly policies: Policies; readonly problems: readonly Problem[] };

/** Reads and checks one file of YAML documents. Documents without a mistake are returned beside the problems. */
export function readPolicyFile(file: string): ReadResult {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    return { policies: none, problems: [{ file, line: 0, field: '', message: describeError(error) }] };
  }
  return parsePolicies(file, text);
}

export function parsePolicies(file: string, text: string): ReadResult {
  const lineCounter = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter, prettyErrors: false });
  const pools: Placed<WorkerPool>[] = [];
  const connections: Placed<NatsConnectionResource>[] = [];
  const processes: Placed<LocalProcess>[] = [];
  const problems: Problem[] = [];

  for (const document of 'empty' in documents ? [] : documents) {
    const lineOf = (field: string): number => lineOfField(document, lineCounter, field);
    if (document.errors.length > 0) {
      for (const { pos, message } of document.errors) {
        problems.push({ file, line: lineCounter.linePos(pos[0]).line, field: '', message });
      }
      continue;
    }
    let value: unknown;
    try {
      value = document.toJS({ maxAliasCount: 100 });
    } catch (error) {
      problems.push({ file, line: lineOf(''), field: '', message: describeError(error) });
      continue;
    }
    if (value === null) continue;
    const kind = kindOf(value);
    const placed = { file, line: lineOf };
    const take = <S extends z.ZodType>(schema: S, into: Placed<z.output<S>>[]): void => {
      const parsed = schema.safeParse(value);
      if (parsed.success) into.push({ resource: parsed.data, ...placed });
      else
        problems.push(...parsed.error.issues.map((issue) => toProblem(file, lineOf, schema, value, issue)));
    };
    if (kind === 'WorkerPool') take(workerPoolSchema, pools);
    else if (kind === 'NatsConnection') take(natsConnectionSchema, connections);
    else if (kind === 'LocalProcess') take(localProcessSchema, processes);
    else {
      problems.push({
        file,
        line: lineOf('kind'),
        field: 'kind',
        message: `${JSON.stringify(kind)} is not known; use WorkerPool, NatsConnection or LocalProcess (${apiVersion})`,
      });
    }
  }
  return { policies: { pools, connections, processes }, problems };
}

/** Several files as one; every mistake that only shows when they are seen together. */
export function combine(files: readonly Policies[]): ReadResult {
  const pools = files.flatMap((f) => f.pools);
  const connections = files.flatMap((f) => f.connections);
  const processes = files.flatMap((f) => f.processes);
  const problems = [...twice(pools), ...twice(connections), ...twice(processes)];
  for (const { resource, file, line } of connections) {
    const field = onClusterOnly.find((name) => resource.spec[name] !== undefined);
    if (field === undefined) continue;
    const message =
      'secrets live on a cluster; here credentials come from the environment (NATS_CREDS, NATS_CA, …)';
    problems.push({ file, line: line(`spec.${field}`), field: `spec.${field}`, message });
  }
  const targets = new Map<string, string>();

  const sound = pools.filter((placed) => {
    const { metadata, spec } = placed.resource;
    const found: [field: string, message: string][] = [];
    const target = spec.scaleTargetRef;
    const targetKey = keyOf(metadata.namespace, target.name);
    if (target.kind !== 'LocalProcess') {
      found.push([
        'spec.scaleTargetRef.kind',
        `${target.kind} lives on a cluster; here it must be LocalProcess`,
      ]);
    } else if (!has(processes, targetKey)) {
      found.push([
        'spec.scaleTargetRef.name',
        `there is no LocalProcess "${target.name}" in namespace ${metadata.namespace}`,
      ]);
    } else if (targets.has(targetKey)) {
      found.push([
        'spec.scaleTargetRef.name',
        `"${target.name}" is scaled by pool ${String(targets.get(targetKey))} already`,
      ]);
    }
    spec.sources.forEach((source, index) => {
      if (has(connections, keyOf(metadata.namespace, source.connection))) return;
      const message = `there is no NatsConnection "${source.connection}" in namespace ${metadata.namespace}`;
      found.push([`spec.sources.${index}.connection`, message]);
    });
    spec.feeds.forEach((fed, index) => {
      if (has(pools, keyOf(metadata.namespace, fed))) return;
      const message = `there is no WorkerPool "${fed}" in namespace ${metadata.namespace}`;
      found.push([`spec.feeds.${index}`, message]);
    });
    problems.push(
      ...found.map(([field, message]) => ({ file: placed.file, line: placed.line(field), field, message })),
    );
    if (found.length === 0) targets.set(targetKey, metadata.name);
    return found.length === 0;
  });
  return { policies: { pools: sound, connections, processes }, problems };
}

export function formatProblem({ file, line, field, message }: Problem): string {
  return `${file}${line > 0 ? `:${line}` : ''}: ${field === '' ? '' : `${field}: `}${message}`;
}

export const keyOf = (namespace: string, name: string): string => `${namespace}/${name}`;

/** A LocalProcess runs in the folder of its file unless it names another. */
export function workingDirectory({ file, resource }: Placed<LocalProcess>): string {
  return resolve(dirname(file), resource.spec.workingDirectory ?? '.');
}

const onClusterOnly = ['credentials', 'nkey', 'token', 'userPassword', 'tls'] as const;

const none: Policies = { pools: [], connections: [], processes: [] };

type Named = { readonly metadata: { readonly namespace: string; readonly name: string } };

function has(list: readonly Placed<Named>[], key: string): boolean {
  return list.some(({ resource: { metadata } }) => keyOf(metadata.namespace, metadata.name) === key);
}

function twice(list: readonly Placed<Named & { readonly kind: string }>[]): Problem[] {
  const seen = new Set<string>();
  return list.flatMap(({ resource, file, line }) => {
    const key = keyOf(resource.metadata.namespace, resource.metadata.name);
    const isNew = !seen.has(key);
    seen.add(key);
    const message = `${resource.kind} ${key} stands here a second time; give it another name or remove it`;
    return isNew ? [] : [{ file, line: line('metadata.name'), field: 'metadata.name', message }];
  });
}

function kindOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined;
}

function toProblem(
  file: string,
  lineOf: (field: string) => number,
  schema: z.ZodType,
  value: unknown,
  issue: z.core.$ZodIssue,
): Problem {
  const path = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0] ?? ''] : issue.path;
  const field = path.join('.');
  const given = path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined),
    value,
  );
  const isLeaf = given !== undefined && (typeof given !== 'object' || given === null);
  const message =
    issue.code === 'unrecognized_keys'
      ? `there is no such field; use ${fieldsAt(schema, issue.path).join(', ')}`
      : issue.message;
  return {
    file,
    line: lineOf(field),
    field,
    message: isLeaf ? `${message} (found ${JSON.stringify(given)})` : message,
  };
}

/** The fields that the schema knows at a place where a resource has another. */
function fieldsAt(schema: z.ZodType, path: readonly PropertyKey[]): readonly string[] {
  const whole = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  const place = path.reduce<z.core.JSONSchema._JSONSchema | undefined>((at, key) => {
    if (typeof at !== 'object') return undefined;
    if (typeof key !== 'number') return at.properties?.[String(key)];
    return Array.isArray(at.items) ? at.items[key] : at.items;
  }, whole);
  return typeof place === 'object' ? Object.keys(place.properties ?? {}) : [];
}

/** The line of a field, or of the nearest field above it that stands in the file. */
function lineOfField(document: Document, lineCounter: LineCounter, field: string): number {
  const path = field.split('.');
  for (let depth = path.length; depth >= 0; depth -= 1) {
    const node: unknown = depth === 0 ? document.contents : document.getIn(path.slice(0, depth), true);
    if (isNode(node) && node.range) return lineCounter.linePos(node.range[0]).line;
  }
  return 0;
}
