import { z } from 'zod';
import { natsConnectionSpecSchema } from '#crds/nats-connection.ts';
import type { NatsConnectionSpec } from '#crds/nats-connection.ts';
import { conditionSchema, workerPoolStatusSchema } from '#crds/worker-pool-status.ts';
import type { Condition, WorkerPoolStatus } from '#crds/worker-pool-status.ts';
import { workerPoolSpecSchema } from '#crds/worker-pool.ts';
import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import type { Metadata } from './resourceCache.ts';

/** A WorkerPool as it is stored, which may be older than the schema: then it has a problem instead of a policy. */
export type PoolResource = {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  readonly createdMs: number;
  readonly policy: { readonly spec: WorkerPoolSpec } | { readonly problem: string };
  /** From the status: replicas that were asked for last. A hint; anybody may have written it. */
  readonly writtenReplicas: number | undefined;
  /** From the status: completions per second while a dependency was found saturated. Likewise a hint. */
  readonly foundLimitPerSecond: number | undefined;
  readonly conditions: readonly Condition[];
  /** The rest of the status as far as it is compared before a write. Empty when there is none that can be read. */
  readonly stored: StoredStatus;
};

export type StoredStatus = Omit<WorkerPoolStatus, 'message' | 'conditions'>;

const storedSchema = workerPoolStatusSchema.omit({ message: true, conditions: true });
const poolSchema = z.object({ spec: z.unknown(), status: z.unknown().optional() });
const hintsSchema = z
  .object({
    desiredReplicas: z.number().int().min(0).optional().catch(undefined),
    completionsPerSecond: z.coerce.number().positive().optional().catch(undefined),
    conditions: z.array(conditionSchema).catch([]),
  })
  .catch({ conditions: [] });

export function readPool(object: unknown, metadata: Metadata, before?: PoolResource): PoolResource {
  const { spec, status } = poolSchema.parse(object);
  const { desiredReplicas, completionsPerSecond, conditions } = hintsSchema.parse(status);
  // Most changes are our own, of the status.
  const isSameSpec = before?.uid === metadata.uid && before.generation === (metadata.generation ?? 0);
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    generation: metadata.generation ?? 0,
    createdMs: Date.parse(metadata.creationTimestamp ?? ''),
    policy: isSameSpec ? before.policy : readPolicy(spec),
    writtenReplicas: desiredReplicas,
    foundLimitPerSecond: isSaturated(conditions) ? completionsPerSecond : undefined,
    conditions,
    stored: storedSchema.catch({}).parse(status),
  };
}

/** A change of more than the status, which is most often our own. */
export const isOtherPool = (before: PoolResource | undefined, after: PoolResource | undefined): boolean =>
  before?.uid !== after?.uid || before?.policy !== after?.policy;

function readPolicy(spec: unknown): PoolResource['policy'] {
  const parsed = workerPoolSpecSchema.safeParse(spec);
  return parsed.success ? { spec: parsed.data } : { problem: describeIssues(parsed.error) };
}

const isSaturated = (conditions: readonly Condition[]): boolean =>
  conditions.some(({ type, status }) => type === 'DownstreamSaturated' && status === 'True');

export function readConnection(object: unknown): NatsConnectionSpec {
  return z.object({ spec: natsConnectionSpecSchema }).parse(object).spec;
}

/** Another autoscaler: what it scales. */
export type AutoscalerResource = {
  readonly namespace: string;
  readonly name: string;
  readonly target: string;
};

const autoscalerSchema = z.object({
  spec: z.object({
    // A ScaledObject may leave out the kind.
    scaleTargetRef: z.object({ kind: z.string().default('Deployment'), name: z.string() }),
  }),
});

export function readAutoscaler(object: unknown, { namespace, name }: Metadata): AutoscalerResource {
  const { kind, name: target } = autoscalerSchema.parse(object).spec.scaleTargetRef;
  return { namespace, name, target: targetKey(namespace, kind, target) };
}

export const targetKey = (namespace: string, kind: string, name: string): string =>
  `${namespace} ${kind} ${name}`;

function describeIssues(error: z.ZodError): string {
  return error.issues
    .slice(0, 3)
    .map(({ path, message }) => `spec.${path.join('.')}: ${message}`)
    .join('; ');
}
