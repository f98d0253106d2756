import { z } from 'zod';

export const mostConditions = 16;
/** Characters. */
export const longestMessage = 1_024;

const replicas = z.int32().min(0).max(1_000_000);
const ratePerSecond = z
  .string()
  .max(16)
  .regex(/^\d+(\.\d+)?$/)
  .describe('Jobs per second, two significant digits.');
const word = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/);
const sentence = z.string().max(longestMessage);
const time = z.iso.datetime();

export const conditionSchema = z.object({
  type: word.describe('Name of the condition.'),
  status: z.enum(['True', 'False', 'Unknown']).describe('Whether it holds.'),
  reason: word.describe('One stable word: why.'),
  message: sentence.describe('A sentence for a person, with the remedy where there is one.'),
  lastTransitionTime: time.describe('When `status` changed last.'),
  observedGeneration: z.int32().min(0).optional().describe('Generation of the spec that this was said of.'),
});

/**
 * What the operator says about a pool. Written on change only, so fast figures are rounded and there is no time of
 * the last look. Sizes are bounded: a status can never grow with what a server or a worker claims.
 */
export const workerPoolStatusSchema = z.object({
  observedGeneration: z.int32().min(0).optional().describe('Generation of the spec that was acted on last.'),
  replicas: replicas.optional().describe('Replicas that exist.'),
  readyReplicas: replicas.optional().describe('Replicas that work.'),
  desiredReplicas: replicas.optional().describe('Replicas that the target was asked for last.'),
  recommendedReplicas: replicas.optional().describe('Replicas that the demand alone asks for.'),
  backlogMessages: z
    .int32()
    .min(0)
    .optional()
    .describe('Messages not resolved yet, over all sources, two significant digits.'),
  arrivalsPerSecond: ratePerSecond.optional(),
  completionsPerSecond: ratePerSecond.optional(),
  capacityPerReplica: ratePerSecond.optional(),
  reason: word.optional().describe('Why the replicas are what they are, in one stable word.'),
  message: sentence.optional().describe('The same in a sentence.'),
  lastScale: z
    .object({
      time: time.describe('When.'),
      from: replicas.describe('Replicas before.'),
      to: replicas.describe('Replicas after.'),
      reason: word.describe('Why.'),
    })
    .optional()
    .describe('The last change that this operator wrote.'),
  conditions: z
    .array(conditionSchema)
    .max(mostConditions)
    .optional()
    .describe('What holds and what does not.')
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] }),
});

export type WorkerPoolStatus = z.output<typeof workerPoolStatusSchema>;
export type Condition = z.output<typeof conditionSchema>;
