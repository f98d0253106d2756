import { z } from 'zod';
import { cronProblem } from './cron.ts';
import { apiVersion, jetStreamName, metadataSchema, objectName } from './metadata.ts';

const replicaCount = z.int32().min(0).max(100_000);
const windowSeconds = z.int32().min(0).max(3_600);
const enforcement = z.enum(['Enforce', 'Observe', 'Disabled']);

const scalingPolicySchema = z.strictObject({
  type: z.enum(['Pods', 'Percent']).describe('Whether `value` counts replicas or percent of the replicas.'),
  value: z.int32().min(1).max(100_000).describe('Largest change within the period.'),
  periodSeconds: z.int32().min(1).max(1_800).describe('Length of the period.'),
});

const scalingRulesSchema = z.strictObject({
  stabilizationWindowSeconds: windowSeconds
    .optional()
    .describe(
      'Recommendations of this time are considered; the most cautious one wins. Default: up 0; down follows the measured start time, at least 5.',
    ),
  selectPolicy: z
    .enum(['Max', 'Min', 'Disabled'])
    .default('Max')
    .describe('Which policy counts when several are given; Disabled forbids this direction.'),
  policies: z
    .array(scalingPolicySchema)
    .min(1)
    .max(16)
    .optional()
    .describe(
      'Speed limits. Default up: none below 20 replicas, then +100 % per 5 s. Default down: -50 % per 5 s.',
    ),
});

const sourceSchema = z.strictObject({
  connection: objectName.describe('Name of a NatsConnection in the same namespace.'),
  stream: jetStreamName.describe('Stream that holds the jobs.'),
  consumer: jetStreamName.describe('Durable pull consumer that the workers share.'),
});

/** Five fields; whether they make sense together is checked when the policy is read. */
const cronExpression = z
  .string()
  .min(9)
  .max(100)
  .regex(/^[0-9A-Za-z*,/#?-]+( +[0-9A-Za-z*,/#?-]+){4}$/, 'must be a cron expression of five fields');

const scheduleSchema = z
  .strictObject({
    name: objectName.describe('What messages call it.'),
    timeZone: z
      .string()
      .min(1)
      .max(64)
      .regex(/^[0-9A-Za-z_+/-]+$/, 'must be the name of a time zone, e.g. Europe/Berlin')
      .default('UTC')
      .describe('Time zone of `start` and `end`, with its daylight-saving time.'),
    start: cronExpression.describe('When it begins, as a cron expression: minute hour day month weekday.'),
    end: cronExpression.describe('When it ends, likewise.'),
    minReplicas: replicaCount.describe('Never fewer replicas than this in between.'),
  })
  .superRefine(({ timeZone, start, end }, context) => {
    for (const [field, expression] of Object.entries({ start, end })) {
      const problem = cronProblem(expression, timeZone);
      if (problem !== undefined) context.addIssue({ code: 'custom', path: [field], message: problem });
    }
  });

export const workerPoolSpecSchema = z
  .strictObject({
    scaleTargetRef: z
      .strictObject({
        apiVersion: z.string().min(1).max(253).default('apps/v1').describe('API version of the target.'),
        kind: z
          .string()
          .min(1)
          .max(63)
          .default('Deployment')
          .describe('Kind of the target: anything with a scale subresource.'),
        name: objectName.describe('Name of the target, in the same namespace.'),
      })
      .describe('What is scaled.')
      .meta({
        'x-kubernetes-validations': [
          {
            rule: 'self.kind == oldSelf.kind',
            message: 'the kind of a target cannot change; make another WorkerPool',
          },
        ],
      }),
    sources: z
      .array(sourceSchema)
      .min(1)
      .max(8, {
        error:
          'must have at most 8 entries, as each is read in every pass, for replicas that serve them all; give the others a WorkerPool with workers of its own',
      })
      .describe(
        'Consumers that these replicas work on; demand is the sum over them. What is beyond 8 needs a WorkerPool with workers of its own.',
      )
      .meta({
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['connection', 'stream', 'consumer'],
      }),
    minReplicas: replicaCount.default(0).describe('Never fewer replicas than this.'),
    maxReplicas: z.int32().min(1).max(100_000).describe('Never more replicas than this.'),
    objective: z
      .strictObject({
        drainSeconds: z
          .int32()
          .min(1)
          .max(86_400)
          .default(60)
          .describe('A backlog is worked off within this time.'),
        utilizationPercent: z
          .int32()
          .min(10)
          .max(100)
          .default(95)
          .describe('Share of the measured capacity that steady arrivals may use.'),
        wait: z
          .strictObject({
            percentile: z
              .int32()
              .min(50)
              .max(99)
              .default(95)
              .describe('Percent of the jobs that must not wait longer.'),
            seconds: z.int32().min(1).max(86_400).describe('From being stored to the first attempt.'),
          })
          .optional()
          .describe(
            'A bound on the wait, kept by a queueing model on top of the utilization: for small pools. The service level is measured by it.',
          ),
      })
      .prefault({})
      .describe('What the size must achieve.'),
    prior: z
      .strictObject({
        concurrency: z.int32().min(1).max(100_000).default(1).describe('Jobs that one replica runs at once.'),
        serviceMilliseconds: z
          .int32()
          .min(1)
          .max(86_400_000)
          .default(1_000)
          .describe('Mean run time of a job.'),
        startSeconds: z
          .int32()
          .min(0)
          .max(3_600)
          .default(5)
          .describe('Time from a new replica to its first job.'),
      })
      .prefault({})
      .describe('Taken for what has not been measured yet.'),
    behavior: z
      .strictObject({
        scaleUp: scalingRulesSchema.prefault({}).describe('Limits on growing.'),
        scaleDown: scalingRulesSchema.prefault({}).describe('Limits on shrinking.'),
      })
      .prefault({})
      .describe('Speed limits with the meaning they have in a HorizontalPodAutoscaler.'),
    zero: z
      .strictObject({
        activationMessages: z
          .int32()
          .min(0)
          .max(1_000_000)
          .default(0)
          .describe('Wake from zero when more messages than this are unresolved.'),
        maxWaitSeconds: z
          .int32()
          .min(0)
          .max(86_400)
          .optional()
          .describe(
            'Wake also when anything has waited this long, so that nothing is stranded below activationMessages.',
          ),
        idleSeconds: z
          .int32()
          .min(0)
          .max(86_400)
          .default(30)
          .describe('To zero after this long without any work.'),
      })
      .prefault({})
      .describe('When to go to zero replicas and back; only with minReplicas 0.'),
    guards: z
      .strictObject({
        downstream: enforcement
          .default('Enforce')
          .describe(
            'No more replicas than a dependency behind them can serve; a suspicion is tested by a short step down.',
          ),
        retries: enforcement
          .default('Enforce')
          .describe('No more replicas than jobs need that succeed, while many attempts fail.'),
        idleWorkers: enforcement
          .default('Enforce')
          .describe('No more replicas for messages that those there are do not get.'),
        ackWait: enforcement
          .default('Enforce')
          .describe('No more replicas for jobs that run twice because they outlast ack_wait.'),
        poison: enforcement
          .default('Enforce')
          .describe('Reports a message that fails again and again; it never limits the replicas.'),
        ackPending: enforcement
          .default('Enforce')
          .describe('No more replicas than max_ack_pending can feed.'),
        stage: enforcement
          .default('Enforce')
          .describe('No more replicas to feed a pool that cannot take more.'),
        scheduling: enforcement
          .default('Enforce')
          .describe('No more replicas while asked ones do not start.'),
      })
      .prefault({})
      .describe('Rules that refuse useless growth: Enforce, only report (Observe), or Disabled.'),
    ackPending: z
      .strictObject({
        manage: z
          .boolean()
          .default(false)
          .describe(
            'Let max_ack_pending of the consumers follow the replicas; needs the right to $JS.API.CONSUMER.CREATE on them.',
          ),
        min: z.int32().min(1).max(1_000_000).default(100).describe('Never below this.'),
        max: z.int32().min(1).max(1_000_000).default(20_000).describe('Never above this.'),
      })
      .prefault({})
      .describe(
        'Tuning of max_ack_pending: replicas x slots x 3.3, for what runs and what is prefetched. A consumer that somebody else owns is left alone.',
      ),
    schedules: z
      .array(scheduleSchema)
      .max(16)
      .default([])
      .describe('Floors by time of day or week; the highest of those that are on counts.')
      .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] }),
    feeds: z
      .array(objectName)
      .max(8)
      .default([])
      .describe('Pools of the same namespace that work on what this one puts out.')
      .meta({ 'x-kubernetes-list-type': 'set' }),
    fallback: z
      .strictObject({
        afterSeconds: z
          .int32()
          .min(1)
          .max(86_400)
          .default(180)
          .describe('Time without any valid measurement.'),
        replicas: replicaCount.describe('At least this many replicas then.'),
      })
      .optional()
      .describe('A floor for when nothing can be measured; it only raises.'),
    mode: z
      .enum(['Auto', 'DryRun', 'ScaleUpOnly', 'Paused'])
      .default('Auto')
      .describe(
        'Auto acts; DryRun only reports; ScaleUpOnly never shrinks; Paused leaves the replicas alone.',
      ),
  })
  .refine((spec) => spec.minReplicas <= spec.maxReplicas, {
    path: ['minReplicas'],
    error: (issue) => {
      const { minReplicas, maxReplicas } = issue.input as { minReplicas: number; maxReplicas: number };
      return `minReplicas (${minReplicas}) must not exceed maxReplicas (${maxReplicas})`;
    },
  })
  .refine(
    ({ sources }) =>
      new Set(sources.map((s) => `${s.connection} ${s.stream} ${s.consumer}`)).size === sources.length,
    { path: ['sources'], error: 'names the same consumer twice; each source must be unique' },
  )
  .refine(({ schedules }) => new Set(schedules.map(({ name }) => name)).size === schedules.length, {
    path: ['schedules'],
    error: 'has two of the same name; each must be unique',
  })
  .refine(({ feeds }) => new Set(feeds).size === feeds.length, {
    path: ['feeds'],
    error: 'names a pool twice; each must be unique',
  })
  .refine(({ schedules, maxReplicas }) => schedules.every(({ minReplicas }) => minReplicas <= maxReplicas), {
    path: ['schedules'],
    error: 'has a minReplicas above maxReplicas',
  })
  .refine(({ fallback, maxReplicas }) => (fallback?.replicas ?? 0) <= maxReplicas, {
    path: ['fallback', 'replicas'],
    error: 'must not exceed maxReplicas',
  })
  .refine(({ ackPending }) => ackPending.min <= ackPending.max, {
    path: ['ackPending', 'min'],
    error: 'must not exceed ackPending.max',
  })
  // What zod checks across fields, for the API server; test/integration/kubernetes holds them against each other.
  .meta({
    'x-kubernetes-validations': [
      { rule: 'self.minReplicas <= self.maxReplicas', message: 'minReplicas must not exceed maxReplicas' },
      {
        rule: '!has(self.fallback) || self.fallback.replicas <= self.maxReplicas',
        message: 'fallback.replicas must not exceed maxReplicas',
      },
      {
        rule: '!has(self.ackPending) || self.ackPending.min <= self.ackPending.max',
        message: 'ackPending.min must not exceed ackPending.max',
      },
      {
        rule: '!has(self.schedules) || self.schedules.all(s, s.minReplicas <= self.maxReplicas)',
        message: 'schedules[].minReplicas must not exceed maxReplicas',
      },
    ],
  });

export const workerPoolSchema = z.looseObject({
  apiVersion: z.literal(apiVersion),
  kind: z.literal('WorkerPool'),
  metadata: metadataSchema,
  spec: workerPoolSpecSchema,
});

/** A policy with every default filled in. */
export type WorkerPoolSpec = z.output<typeof workerPoolSpecSchema>;
export type ScalingRules = WorkerPoolSpec['behavior']['scaleUp'];
export type ScalingPolicy = z.output<typeof scalingPolicySchema>;
export type Schedule = z.output<typeof scheduleSchema>;
export type Source = z.output<typeof sourceSchema>;
export type WorkerPool = z.output<typeof workerPoolSchema>;
