import { stringify } from 'yaml';
import { natsConnectionSpecSchema } from './nats-connection.ts';
import { toStructuralSchema } from './structural.ts';
import type { StructuralSchema } from './structural.ts';
import { workerPoolStatusSchema } from './worker-pool-status.ts';
import { workerPoolSpecSchema } from './worker-pool.ts';

const group = 'penstock.dev';

export type Definition = {
  readonly apiVersion: 'apiextensions.k8s.io/v1';
  readonly kind: 'CustomResourceDefinition';
  readonly metadata: { readonly name: string };
  readonly spec: unknown;
};

type Column = {
  readonly name: string;
  readonly type: 'integer' | 'string' | 'date';
  readonly jsonPath: string;
  readonly description: string;
  /** Above 0 it is shown with `-o wide` only. */
  readonly priority?: number;
};

/** What `kubectl get` shows of a pool: enough to tell the story without `describe`. */
const workerPoolColumns: readonly Column[] = [
  {
    name: 'Desired',
    type: 'integer',
    jsonPath: '.status.desiredReplicas',
    description: 'Replicas asked for.',
  },
  { name: 'Ready', type: 'integer', jsonPath: '.status.readyReplicas', description: 'Replicas that work.' },
  {
    name: 'Pending',
    type: 'integer',
    jsonPath: '.status.backlogMessages',
    description: 'Unresolved messages.',
  },
  {
    name: 'Arrival',
    type: 'string',
    jsonPath: '.status.arrivalsPerSecond',
    description: 'Jobs per second in.',
  },
  {
    name: 'Completion',
    type: 'string',
    jsonPath: '.status.completionsPerSecond',
    description: 'Jobs per second out.',
  },
  {
    name: 'Reason',
    type: 'string',
    jsonPath: '.status.reason',
    description: 'Why the replicas are what they are.',
  },
  {
    name: 'Target',
    type: 'string',
    jsonPath: '.spec.scaleTargetRef.name',
    description: 'What is scaled.',
    priority: 1,
  },
  {
    name: 'Mode',
    type: 'string',
    jsonPath: '.spec.mode',
    description: 'What the operator may do.',
    priority: 1,
  },
  {
    name: 'Message',
    type: 'string',
    jsonPath: '.status.message',
    description: 'The reason in a sentence.',
    priority: 1,
  },
  {
    name: 'Age',
    type: 'date',
    jsonPath: '.metadata.creationTimestamp',
    description: 'Time since it was created.',
  },
];

/** The CustomResourceDefinitions of Penstock, from the schemas. */
export function definitions(): readonly Definition[] {
  return [
    define({
      kind: 'WorkerPool',
      plural: 'workerpools',
      shortName: 'wp',
      description: 'A policy: what is scaled, on which queues, and how.',
      spec: toStructuralSchema(workerPoolSpecSchema, 'spec'),
      status: toStructuralSchema(workerPoolStatusSchema, 'status'),
      columns: workerPoolColumns,
    }),
    define({
      kind: 'NatsConnection',
      plural: 'natsconnections',
      shortName: 'nc',
      description: 'How to reach one NATS system.',
      spec: toStructuralSchema(natsConnectionSpecSchema, 'spec'),
      columns: [
        { name: 'Servers', type: 'string', jsonPath: '.spec.servers', description: 'Addresses.' },
        {
          name: 'Age',
          type: 'date',
          jsonPath: '.metadata.creationTimestamp',
          description: 'Time since it was created.',
        },
      ],
    }),
  ];
}

export function toYaml(definition: Definition): string {
  // Kubernetes and helm read YAML 1.1, in which plain words such as Off are booleans.
  const options = { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false } as const;
  return `# Written by \`npm run crds\` from the schemas in this folder.\n${stringify(definition, options)}`;
}

function define(resource: {
  kind: string;
  plural: string;
  shortName: string;
  description: string;
  spec: StructuralSchema;
  status?: StructuralSchema;
  columns: readonly Column[];
}): Definition {
  const { kind, plural, shortName, description, spec, status, columns } = resource;
  const schema: StructuralSchema = {
    description,
    type: 'object',
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: { ...spec, description: 'What is wanted.' },
      ...(status === undefined ? {} : { status: { ...status, description: 'What is.' } }),
    },
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        shortNames: [shortName],
        categories: ['penstock'],
      },
      versions: [
        {
          name: 'v1alpha1',
          served: true,
          storage: true,
          ...(status === undefined ? {} : { subresources: { status: {} } }),
          additionalPrinterColumns: columns,
          schema: { openAPIV3Schema: schema },
        },
      ],
    },
  };
}
