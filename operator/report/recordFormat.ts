import { z } from 'zod';
import { heartbeatSchema } from '#common/heartbeat.ts';
import { workerPoolSpecSchema } from '#crds/worker-pool.ts';
import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import type { Decision } from '../decide/decision.ts';
import type { Observation } from '../observe/observation.ts';

/**
 * A record: what the operator saw and decided, one JSON object per line. docs/records.md describes it.
 *
 * A `start` line begins each file; a `pool` line comes before the first `pass` of its pool in a file, and again when
 * its policy changes: each file can be read without the one before it. What was not known is left out.
 */
export const recordVersion = 1;

/** A key that is always there in the type, and left out on the line when its value is undefined. */
function orLeftOut<T extends z.ZodType>(
  schema: T,
): z.ZodPipe<z.ZodOptional<T>, z.ZodTransform<z.output<T> | undefined>> {
  return schema.optional().transform((value): z.output<T> | undefined => value);
}

const streamSchema = z.object({
  createdMs: z.number(),
  firstSeq: z.number(),
  lastSeq: z.number(),
  messages: z.number(),
  maxMessages: z.number(),
  maxBytes: z.number(),
  discard: z.enum(['old', 'new']),
});

const consumerSchema = z.object({
  createdMs: z.number(),
  serverTimeMs: z.number(),
  leader: orLeftOut(z.string()),
  paused: z.boolean(),
  filtered: z.boolean(),
  pending: z.number(),
  ackPending: z.number(),
  redelivered: z.number(),
  waiting: z.number(),
  deliveredConsumerSeq: z.number(),
  deliveredStreamSeq: z.number(),
  ackFloorStreamSeq: z.number(),
  maxAckPending: z.number(),
  owner: z.exactOptional(z.string()),
  ackWaitMs: z.number(),
  maxDeliver: z.number(),
  stream: orLeftOut(streamSchema),
});

const replicaSchema = z.object({
  name: z.string(),
  state: z.enum(['starting', 'ready', 'terminating', 'failing', 'unschedulable']),
  ageMs: z.number(),
  startMs: orLeftOut(z.number()),
  revision: orLeftOut(z.string()),
  message: orLeftOut(z.string()),
});

const absent = z.object({ kind: z.literal('absent'), message: z.string() });
const unseen = z.object({ kind: z.literal('unseen'), message: z.string() });

const sourceSchema = z.object({
  consumer: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('seen'), atMs: z.number(), value: consumerSchema }),
    absent,
    unseen,
  ]),
  heartbeats: z.array(z.object({ atMs: z.number(), heartbeat: heartbeatSchema })).readonly(),
});

const observationSchema = z.object({
  atMs: z.number(),
  sources: z.array(sourceSchema).readonly(),
  workload: z.discriminatedUnion('kind', [
    z.object({
      kind: z.literal('seen'),
      atMs: z.number(),
      value: z.object({ desired: z.number(), replicas: z.array(replicaSchema).readonly() }),
    }),
    absent,
    unseen,
  ]),
}) satisfies z.ZodType<Observation>;

const figure = z.number().nullable();

/** Reasons are words here, so that a record of a later version with more of them can be read. */
const decisionSchema = z.object({
  kind: z.enum(['hold', 'scale']),
  from: orLeftOut(z.number()),
  to: orLeftOut(z.number()),
  recommended: orLeftOut(z.number()),
  reason: z.string(),
  message: z.string(),
  limitedBy: z
    .array(
      z.object({
        reason: z.string(),
        replicas: z.number(),
        message: z.string(),
        untilMs: z.number().optional(),
      }),
    )
    .readonly(),
  ackPending: z
    .array(z.object({ source: z.number(), from: z.number(), to: z.number() }))
    .readonly()
    .default([]),
  diagnosis: z
    .array(
      z.object({
        type: z.string(),
        status: z.enum(['True', 'False', 'Unknown']),
        reason: z.string(),
        message: z.string(),
        remedies: z
          .array(z.object({ change: z.string(), to: z.number() }))
          .readonly()
          .optional(),
        contributing: z.array(z.string()).readonly().optional(),
      }),
    )
    .readonly(),
  evidence: z.object({
    backlogMessages: figure,
    queuedMessages: figure,
    arrivalsPerSecond: figure,
    plannedArrivalsPerSecond: figure,
    completionsPerSecond: figure,
    utilization: figure,
    serviceMs: figure,
    capacityPerReplica: figure,
    capacityBasis: z.string().nullable(),
    startMs: figure,
    readyReplicas: figure,
    withinShare: figure.default(null),
    budgetLeft: figure.default(null),
  }),
  nextCheckMs: z.number(),
});

export const recordLineSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('start'),
    version: z.literal(recordVersion),
    /** Unique to one run of an operator: monotonic times of another run mean nothing beside these. */
    run: z.string().min(1),
  }),
  z.object({ kind: z.literal('pool'), pool: z.string().min(1), spec: workerPoolSpecSchema }),
  z.object({
    kind: z.literal('pass'),
    /** ISO 8601, UTC. */
    time: z.iso.datetime(),
    pool: z.string().min(1),
    observation: observationSchema,
    decision: decisionSchema,
    /** What was written; left out when nothing was to be written. */
    outcome: orLeftOut(z.object({ kind: z.enum(['scaled', 'conflict', 'failed']), message: z.string() })),
  }),
]);

export type RecordLine = z.output<typeof recordLineSchema>;

/** What a pass leaves behind for a record. */
export type RecordedPass = {
  readonly pool: { readonly key: string; readonly spec: WorkerPoolSpec };
  readonly observation: Observation;
  readonly decision: Decision;
  readonly outcome: { readonly kind: 'scaled' | 'conflict' | 'failed'; readonly message: string } | undefined;
};
