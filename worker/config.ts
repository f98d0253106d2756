import { z } from 'zod';
import { parseEnvironment } from '#common/environment.ts';
import { PenstockError } from '#common/errors.ts';
import { createLogger, logLevels } from '#common/log.ts';
import type { Logger } from '#common/log.ts';
import { compileNatsSettings, natsEnvironmentSchema } from '#common/nats.ts';
import { msToSeconds, secondsToMs } from '#common/units.ts';
import { admissionDefaults } from './consume/admissionPolicy.ts';
import { keySourcePattern } from './consume/key.ts';
import type { KeySource } from './consume/key.ts';
import type { HandlerSettings } from './handle/choice.ts';
import { batchErrorModes } from './handle/batch.ts';
import { bucketNamePattern, jetStreamNamePattern } from './optionChecks.ts';
import { workerDefaults } from './options.ts';
import type { WorkerOptions } from './options.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

const name = z
  .string({ error: 'is required' })
  .regex(jetStreamNamePattern, 'must be a name without blanks, dots, wildcards and slashes');
const wholeNumber = (least: number, most: number): z.ZodPipe<z.ZodString, z.ZodTransform<number, string>> =>
  z.string().transform((given, context) => {
    const value = Number(given);
    if (/^\d+$/.test(given) && value >= least && value <= most) return value;
    context.addIssue({ code: 'custom', message: `must be a whole number from ${least} to ${most}` });
    return z.NEVER;
  });
const secondsUpTo = (most: number): z.ZodPipe<z.ZodString, z.ZodTransform<number, string>> =>
  z.string().transform((given, context) => {
    const value = Number(given);
    if (given.trim() !== '' && value > 0 && value <= most) return secondsToMs(value);
    context.addIssue({ code: 'custom', message: `must be seconds, above 0 and at most ${most}` });
    return z.NEVER;
  });
const seconds = secondsUpTo(86_400);
const bucket = z.string().regex(bucketNamePattern, 'must be the name of a bucket: letters, digits, _ and -');
const number = (least: number, most: number): z.ZodPipe<z.ZodString, z.ZodTransform<number, string>> =>
  z.string().transform((given, context) => {
    const value = Number(given);
    if (given.trim() !== '' && value >= least && value <= most) return value;
    context.addIssue({ code: 'custom', message: `must be a number from ${least} to ${most}` });
    return z.NEVER;
  });
const flag = z
  .enum(['true', 'false'], { error: 'must be true or false' })
  .transform((given) => given === 'true');
const defaultSeconds = (ms: number): string => `Default ${msToSeconds(ms)}.`;

/** Every setting of the worker program; docs/worker.md shows them as a table. */
export const workerEnvironmentSchema = z.object({
  ...natsEnvironmentSchema.shape,
  PENSTOCK_STREAM: name.describe('Stream that holds the jobs. Required.'),
  PENSTOCK_CONSUMER: z
    .string({ error: 'is required' })
    .transform((given) => given.split(','))
    .pipe(z.array(name).min(1))
    .describe(
      'Durable pull consumer that the replicas share; several, such as partitions, separated by commas. Required.',
    ),
  PENSTOCK_SLOTS: wholeNumber(1, 10_000)
    .optional()
    .describe(`Jobs that run at once. Default ${workerDefaults.slots}.`),
  PENSTOCK_MAX_SLOTS: wholeNumber(1, 10_000)
    .optional()
    .describe(
      'Lets the number of slots follow the measured latency, from PENSTOCK_SLOTS to this. Default none: it is fixed.',
    ),
  PENSTOCK_LIMITS: z
    .string()
    .transform((given, context) => {
      const entries = given.split(',').map((entry) => {
        const [name = '', most, ...rest] = entry.split('=');
        return { name: name.trim(), most: rest.length === 0 ? Number(most) : NaN };
      });
      const names = new Set(entries.map(({ name }) => name));
      const isFit = entries.every(({ name, most }) => name !== '' && most > 0);
      if (isFit && names.size === entries.length) {
        return Object.fromEntries(entries.map(({ name, most }) => [name, most]));
      }
      context.addIssue({
        code: 'custom',
        message: isFit ? 'must name each limit once' : 'must be NAME=NUMBER, several separated by commas',
      });
      return z.NEVER;
    })
    .optional()
    .describe('Named limits for context.limit, e.g. database=10,api=4. Default none.'),
  PENSTOCK_PREFETCH: z
    .union([z.literal('auto'), wholeNumber(0, 100_000)], {
      error: 'must be auto, or a whole number from 0 to 100000',
    })
    .optional()
    .describe(
      'Messages held beyond the running ones. Default auto: about 50 ms of work, at most 2 per slot or 16, and no more than the queue has left.',
    ),
  PENSTOCK_KEY: z
    .string()
    .regex(keySourcePattern, 'must be header:NAME, or subject:N (a token of the subject, from 1)')
    .optional()
    .describe(
      'What tells jobs apart for order and for a rate per key: header:NAME or subject:N. Default none.',
    ),
  PENSTOCK_ORDERED: flag
    .optional()
    .describe('Run the jobs of a key one at a time and in order, retries included. Default false.'),
  PENSTOCK_MAX_WAITING: wholeNumber(1, 1_000_000)
    .optional()
    .describe(
      `Jobs that may wait for their key, or its rate, before no more are pulled. Default ${admissionDefaults.maxWaiting}.`,
    ),
  PENSTOCK_RATE_PER_SECOND: number(0.001, 1_000_000)
    .optional()
    .describe('Jobs a second that this worker starts. Default none: as many as it can.'),
  PENSTOCK_RATE_BURST: wholeNumber(1, 1_000_000)
    .optional()
    .describe(`Jobs that may start at one moment after a pause. Default ${admissionDefaults.burst}.`),
  PENSTOCK_KEY_RATE_PER_SECOND: number(0.001, 1_000_000)
    .optional()
    .describe('Jobs a second that this worker starts of each key. Default none.'),
  PENSTOCK_KEY_RATE_BURST: wholeNumber(1, 1_000_000)
    .optional()
    .describe(`Jobs of a key that may start at one moment. Default ${admissionDefaults.burst}.`),
  PENSTOCK_OVERLOAD: z
    .enum(['wait', 'reject', 'shed'], { error: 'must be wait, reject or shed' })
    .optional()
    .describe(
      'Jobs that cannot start: wait (default), reject (back to the queue when over the rate of their key) or shed (dead-lettered as Expired when too old).',
    ),
  PENSTOCK_REJECT_DELAY_SECONDS: seconds
    .optional()
    .describe(
      `Time until a rejected job is delivered again. ${defaultSeconds(admissionDefaults.rejectDelayMs)}`,
    ),
  PENSTOCK_MAX_AGE_SECONDS: seconds
    .optional()
    .describe('With shed: jobs published longer ago are not run. Default none: only deadlines count.'),
  PENSTOCK_WEIGHT: z
    .string()
    .regex(/^header:[!-9;-~]+$/, 'must be header:NAME')
    .optional()
    .describe('Header with the number of slots that a job takes. Default none: one each.'),
  PENSTOCK_HANDLER_THREADS: flag
    .default(false)
    .describe(
      'Run a handler module in worker threads, one for each slot: for handlers that compute. Default false.',
    ),
  PENSTOCK_HANDLER_THREAD_MEMORY_MB: wholeNumber(16, 1_000_000)
    .optional()
    .describe("JavaScript heap of a thread; one that needs more ends, and its job fails. Default Node's."),
  PENSTOCK_BATCH_SIZE: wholeNumber(1, 100_000)
    .optional()
    .describe(
      'Turns batches on: jobs in one at most. The module exports `batch`; PENSTOCK_SLOTS counts batches. Default none.',
    ),
  PENSTOCK_BATCH_WAIT_SECONDS: seconds
    .optional()
    .describe(
      `How long the first job of a batch waits for others. ${defaultSeconds(workerDefaults.batchWaitMs)}`,
    ),
  PENSTOCK_BATCH_ERRORS: z
    .enum(batchErrorModes, { error: `must be one of ${batchErrorModes.join(', ')}` })
    .optional()
    .describe(
      `What an error means for the others of its batch: ${batchErrorModes.join(', ')}. Default ${workerDefaults.batchErrors}.`,
    ),
  PENSTOCK_JOB_TIMEOUT_SECONDS: seconds
    .optional()
    .describe(`Time limit of a job. ${defaultSeconds(workerDefaults.jobTimeoutMs)}`),
  PENSTOCK_ABORT_GRACE_SECONDS: seconds
    .optional()
    .describe(
      `Time from the abort until a job that goes on counts as stuck. ${defaultSeconds(workerDefaults.abortGraceMs)}`,
    ),
  PENSTOCK_MAX_ATTEMPTS: wholeNumber(1, 1_000)
    .optional()
    .describe(`Attempts that a job gets in all. Default ${workerDefaults.maxAttempts}.`),
  PENSTOCK_BACKOFF_BASE_SECONDS: seconds
    .optional()
    .describe(
      `Longest delay after the first failed attempt; doubles with each. ${defaultSeconds(workerDefaults.backoffBaseMs)}`,
    ),
  PENSTOCK_BACKOFF_MAX_SECONDS: seconds
    .optional()
    .describe(`Longest delay of all. ${defaultSeconds(workerDefaults.backoffMaxMs)}`),
  PENSTOCK_RETRY_BUDGET_RATIO: number(0, 10)
    .optional()
    .describe(
      'Turns the retry budget on: retries per success of the last 10 s. Default none: retries are not limited.',
    ),
  PENSTOCK_RETRY_BUDGET_MIN_PER_SECOND: number(0, 100_000)
    .optional()
    .describe(
      `Retries a second that the budget grants whatever succeeds. Default ${workerDefaults.retryBudgetMinPerSecond}.`,
    ),
  PENSTOCK_RETRY_BUDGET_DELAY_SECONDS: seconds
    .optional()
    .describe(
      `A retry beyond the budget waits between half and all of it. ${defaultSeconds(workerDefaults.retryBudgetDelayMs)}`,
    ),
  PENSTOCK_BREAKER_FAILURE_RATIO: number(0.01, 1)
    .optional()
    .describe(
      `Turns the breaker on: share of failures that opens it. Default none, or ${workerDefaults.breakerFailureRatio} when a slow limit is set.`,
    ),
  PENSTOCK_BREAKER_SLOW_SECONDS: seconds
    .optional()
    .describe('Turns the breaker on: a success that takes longer is slow. Default none is.'),
  PENSTOCK_BREAKER_SLOW_RATIO: number(0.01, 1)
    .optional()
    .describe(`Share of slow successes that opens it. Default ${workerDefaults.breakerSlowRatio}.`),
  PENSTOCK_BREAKER_MIN_JOBS: wholeNumber(1, 1_000_000)
    .optional()
    .describe(
      `Results in the window without which it stays closed. Default ${workerDefaults.breakerMinJobs}.`,
    ),
  PENSTOCK_BREAKER_WINDOW_SECONDS: seconds
    .optional()
    .describe(
      `How long results count; longer than jobs take. ${defaultSeconds(workerDefaults.breakerWindowMs)}`,
    ),
  PENSTOCK_BREAKER_OPEN_SECONDS: seconds
    .optional()
    .describe(`How long it takes no jobs before it probes. ${defaultSeconds(workerDefaults.breakerOpenMs)}`),
  PENSTOCK_BREAKER_PROBES: wholeNumber(1, 10_000)
    .optional()
    .describe(
      `Successes that close it; no more jobs run at once until then. Default ${workerDefaults.breakerProbes}.`,
    ),
  PENSTOCK_FORGIVEN_STREAM: name
    .optional()
    .describe(
      'Stream that remembers which deliveries were no attempts; created when missing. Default none: each counts.',
    ),
  PENSTOCK_CONFIRM_ACKS: flag
    .optional()
    .describe("Wait for the server's word on each ack, and repeat it if need be. Default false."),
  PENSTOCK_DEAD_LETTER_STREAM: name
    .optional()
    .describe('Stream for jobs that are given up. Default none: they are terminated and logged.'),
  PENSTOCK_DEAD_LETTER_SUBJECT: z
    .string()
    .regex(/^[^\s*>]{1,255}$/, 'must be a subject without blanks and wildcards')
    .optional()
    .describe('Where dead letters are published. Default dead-letter.STREAM.CONSUMER.'),
  PENSTOCK_DEAD_LETTER_CREATE: flag
    .optional()
    .describe('Create the stream for dead letters when it is missing. Default true.'),
  PENSTOCK_DEDUPE_BUCKET: bucket
    .optional()
    .describe(
      'Key-value bucket that remembers the jobs that are done, which then do not run again. Default none.',
    ),
  PENSTOCK_DEDUPE_TTL_SECONDS: secondsUpTo(2_000_000)
    .optional()
    .describe(
      `How long it remembers them, when it is created. ${defaultSeconds(workerDefaults.dedupeTtlMs)}`,
    ),
  PENSTOCK_DEDUPE_CREATE: flag.optional().describe('Create that bucket when it is missing. Default true.'),
  PENSTOCK_DEDUPE_WHEN_UNKNOWN: z
    .enum(['wait', 'run'], { error: 'must be wait or run' })
    .optional()
    .describe(
      'What becomes of a job while the bucket cannot be read: it waits in its slot, or runs. Default wait.',
    ),
  PENSTOCK_SINGLE_FLIGHT_BUCKET: bucket
    .optional()
    .describe(
      'Key-value bucket through which context.singleFlight works for the whole fleet. Default none: in each worker.',
    ),
  PENSTOCK_SINGLE_FLIGHT_LOCK_SECONDS: seconds
    .optional()
    .describe(
      `How long the lock of a worker that died keeps the others waiting; at least 1. ${defaultSeconds(workerDefaults.singleFlightLockMs)}`,
    ),
  PENSTOCK_CREATE_CONSUMER: flag
    .default(false)
    .describe('Create the consumer when it is missing. Default false.'),
  PENSTOCK_ACK_WAIT_SECONDS: seconds
    .optional()
    .describe(`ack_wait of a created consumer. ${defaultSeconds(workerDefaults.ackWaitMs)}`),
  PENSTOCK_MAX_ACK_PENDING: wholeNumber(1, 1_000_000)
    .optional()
    .describe(
      `max_ack_pending of a created consumer: bounds all replicas together. Default ${workerDefaults.maxAckPending}.`,
    ),
  PENSTOCK_GRACE_SECONDS: seconds
    .optional()
    .describe(
      `Time that a graceful stop may take; keep it below terminationGracePeriodSeconds. ${defaultSeconds(workerDefaults.graceMs)}`,
    ),
  PENSTOCK_MAX_MEMORY_MIB: wholeNumber(64, 1_048_576)
    .optional()
    .describe(
      'Resident memory beyond which the worker drains and exits 3, to be started anew. Default none: it is not looked at.',
    ),
  PENSTOCK_HEAP_SNAPSHOT_FOLDER: z
    .string()
    .optional()
    .describe('Folder for heap snapshots, one at each SIGUSR2, three at most. Default none: not handled.'),
  PENSTOCK_HTTP_PORT: z
    .union([z.literal('off'), wholeNumber(0, 65_535)], {
      error: 'must be off, or a port from 0 (takes a free one) to 65535',
    })
    .default(9_464)
    .describe(
      'Port of /metrics, /healthz, /readyz and /debug/jobs: 0 takes a free one, off serves none. Default 9464.',
    ),
  PENSTOCK_HTTP_HOST: z
    .string()
    .min(1)
    .default('0.0.0.0')
    .describe('Address that the port is opened on. Default 0.0.0.0.'),
  PENSTOCK_REPLICA: z
    .string()
    .max(200)
    .optional()
    .describe(
      'Name under which the host knows this process. Default POD_NAME, else host name and process id.',
    ),
  POD_NAME: z.string().max(200).optional().describe('Set by Kubernetes through the downward API.'),
  PENSTOCK_LOG_LEVEL: z
    .enum(logLevels)
    .default('info')
    .describe(`One of ${logLevels.join(', ')}. Default info.`),
});

export type WorkerConfig = WorkerOptions & {
  readonly logger: Logger;
  readonly handlerSettings: Omit<HandlerSettings, 'handler' | 'args'>;
};

/**
 * The environment as options. Where it says nothing, the defaults of worker/options.ts hold.
 *
 * @throws PenstockError `InvalidConfiguration`, naming every variable that does not fit, its value and what would.
 */
export function readConfig(environment: Environment = process.env): WorkerConfig {
  const env = parseEnvironment(workerEnvironmentSchema, environment);
  requireCompany(environment, env.PENSTOCK_HANDLER_THREADS);
  const replica = env.PENSTOCK_REPLICA ?? env.POD_NAME;
  const deadLetterStream = env.PENSTOCK_DEAD_LETTER_STREAM;
  const given = <K extends string, T>(key: K, value: T | undefined): Partial<Record<K, T>> =>
    value === undefined ? {} : ({ [key]: value } as Partial<Record<K, T>>); // A computed key loses its type.
  return {
    stream: env.PENSTOCK_STREAM,
    consumer: env.PENSTOCK_CONSUMER,
    nats: compileNatsSettings(env),
    logger: createLogger('worker', env.PENSTOCK_LOG_LEVEL),
    handlerSettings: {
      threads: env.PENSTOCK_HANDLER_THREADS,
      threadMemoryMb: env.PENSTOCK_HANDLER_THREAD_MEMORY_MB,
      slots: env.PENSTOCK_SLOTS ?? workerDefaults.slots,
      killGraceMs: (env.PENSTOCK_ABORT_GRACE_SECONDS ?? workerDefaults.abortGraceMs) / 2,
      logLevel: env.PENSTOCK_LOG_LEVEL,
      environment,
      forContext: ['PENSTOCK_LIMITS', 'PENSTOCK_SINGLE_FLIGHT_BUCKET']
        .filter((variable) => (environment[variable] ?? '') !== '')
        .map((variable) => `${variable}=${environment[variable]}`),
    },
    ...given('slots', env.PENSTOCK_SLOTS),
    ...given('maxSlots', env.PENSTOCK_MAX_SLOTS),
    ...given('limits', env.PENSTOCK_LIMITS),
    ...given('prefetch', env.PENSTOCK_PREFETCH),
    ...(env.PENSTOCK_BATCH_SIZE !== undefined && {
      batch: {
        size: env.PENSTOCK_BATCH_SIZE,
        ...given('waitMs', env.PENSTOCK_BATCH_WAIT_SECONDS),
        ...given('errors', env.PENSTOCK_BATCH_ERRORS),
      },
    }),
    // Its pattern has been checked.
    ...given('key', env.PENSTOCK_KEY as KeySource | undefined),
    ...given('ordered', env.PENSTOCK_ORDERED),
    ...given('maxWaiting', env.PENSTOCK_MAX_WAITING),
    ...given('rate', readRate(env.PENSTOCK_RATE_PER_SECOND, env.PENSTOCK_RATE_BURST)),
    ...given('keyRate', readRate(env.PENSTOCK_KEY_RATE_PER_SECOND, env.PENSTOCK_KEY_RATE_BURST)),
    ...given('overload', env.PENSTOCK_OVERLOAD),
    ...given('rejectDelayMs', env.PENSTOCK_REJECT_DELAY_SECONDS),
    ...given('maxAgeMs', env.PENSTOCK_MAX_AGE_SECONDS),
    ...given('weight', env.PENSTOCK_WEIGHT as `header:${string}` | undefined),
    ...given('jobTimeoutMs', env.PENSTOCK_JOB_TIMEOUT_SECONDS),
    ...given('abortGraceMs', env.PENSTOCK_ABORT_GRACE_SECONDS),
    ...given('maxAttempts', env.PENSTOCK_MAX_ATTEMPTS),
    backoff: {
      ...given('baseMs', env.PENSTOCK_BACKOFF_BASE_SECONDS),
      ...given('maxMs', env.PENSTOCK_BACKOFF_MAX_SECONDS),
    },
    ...(env.PENSTOCK_RETRY_BUDGET_RATIO !== undefined && {
      retryBudget: {
        ratio: env.PENSTOCK_RETRY_BUDGET_RATIO,
        ...given('minPerSecond', env.PENSTOCK_RETRY_BUDGET_MIN_PER_SECOND),
        ...given('delayMs', env.PENSTOCK_RETRY_BUDGET_DELAY_SECONDS),
      },
    }),
    ...((env.PENSTOCK_BREAKER_FAILURE_RATIO ?? env.PENSTOCK_BREAKER_SLOW_SECONDS) !== undefined && {
      breaker: {
        ...given('failureRatio', env.PENSTOCK_BREAKER_FAILURE_RATIO),
        ...given('slowMs', env.PENSTOCK_BREAKER_SLOW_SECONDS),
        ...given('slowRatio', env.PENSTOCK_BREAKER_SLOW_RATIO),
        ...given('minJobs', env.PENSTOCK_BREAKER_MIN_JOBS),
        ...given('windowMs', env.PENSTOCK_BREAKER_WINDOW_SECONDS),
        ...given('openMs', env.PENSTOCK_BREAKER_OPEN_SECONDS),
        ...given('probes', env.PENSTOCK_BREAKER_PROBES),
      },
    }),
    ...given('forgivenStream', env.PENSTOCK_FORGIVEN_STREAM),
    ...given('confirmAcks', env.PENSTOCK_CONFIRM_ACKS),
    ...(deadLetterStream !== undefined && {
      deadLetter: {
        stream: deadLetterStream,
        ...given('subject', env.PENSTOCK_DEAD_LETTER_SUBJECT),
        ...given('create', env.PENSTOCK_DEAD_LETTER_CREATE),
      },
    }),
    ...(env.PENSTOCK_DEDUPE_BUCKET !== undefined && {
      dedupe: {
        bucket: env.PENSTOCK_DEDUPE_BUCKET,
        ...given('ttlMs', env.PENSTOCK_DEDUPE_TTL_SECONDS),
        ...given('create', env.PENSTOCK_DEDUPE_CREATE),
        ...given('whenUnknown', env.PENSTOCK_DEDUPE_WHEN_UNKNOWN),
      },
    }),
    ...(env.PENSTOCK_SINGLE_FLIGHT_BUCKET !== undefined && {
      singleFlight: {
        bucket: env.PENSTOCK_SINGLE_FLIGHT_BUCKET,
        ...given('lockMs', env.PENSTOCK_SINGLE_FLIGHT_LOCK_SECONDS),
      },
    }),
    ...(env.PENSTOCK_CREATE_CONSUMER && {
      createConsumer: {
        ...given('ackWaitMs', env.PENSTOCK_ACK_WAIT_SECONDS),
        ...given('maxAckPending', env.PENSTOCK_MAX_ACK_PENDING),
      },
    }),
    ...given('graceMs', env.PENSTOCK_GRACE_SECONDS),
    ...given('maxMemoryMiB', env.PENSTOCK_MAX_MEMORY_MIB),
    ...given('heapSnapshotFolder', env.PENSTOCK_HEAP_SNAPSHOT_FOLDER),
    ...(env.PENSTOCK_HTTP_PORT !== 'off' && {
      http: { host: env.PENSTOCK_HTTP_HOST, port: env.PENSTOCK_HTTP_PORT },
    }),
    ...given('replica', replica),
  };
}

function readRate(
  perSecond: number | undefined,
  burst: number | undefined,
): { readonly perSecond: number; readonly burst?: number } | undefined {
  if (perSecond === undefined) return undefined;
  return burst === undefined ? { perSecond } : { perSecond, burst };
}

const breakers = ['PENSTOCK_BREAKER_FAILURE_RATIO', 'PENSTOCK_BREAKER_SLOW_SECONDS'];

/** Settings that have no effect without one of others. */
const needs: Readonly<Record<string, readonly string[]>> = {
  PENSTOCK_RATE_BURST: ['PENSTOCK_RATE_PER_SECOND'],
  PENSTOCK_KEY_RATE_BURST: ['PENSTOCK_KEY_RATE_PER_SECOND'],
  PENSTOCK_MAX_WAITING: ['PENSTOCK_KEY'],
  PENSTOCK_HANDLER_THREAD_MEMORY_MB: ['PENSTOCK_HANDLER_THREADS'],
  PENSTOCK_BATCH_WAIT_SECONDS: ['PENSTOCK_BATCH_SIZE'],
  PENSTOCK_BATCH_ERRORS: ['PENSTOCK_BATCH_SIZE'],
  PENSTOCK_RETRY_BUDGET_MIN_PER_SECOND: ['PENSTOCK_RETRY_BUDGET_RATIO'],
  PENSTOCK_RETRY_BUDGET_DELAY_SECONDS: ['PENSTOCK_RETRY_BUDGET_RATIO'],
  PENSTOCK_BREAKER_SLOW_RATIO: ['PENSTOCK_BREAKER_SLOW_SECONDS'],
  PENSTOCK_BREAKER_MIN_JOBS: breakers,
  PENSTOCK_BREAKER_WINDOW_SECONDS: breakers,
  PENSTOCK_BREAKER_OPEN_SECONDS: breakers,
  PENSTOCK_BREAKER_PROBES: breakers,
  PENSTOCK_DEAD_LETTER_SUBJECT: ['PENSTOCK_DEAD_LETTER_STREAM'],
  PENSTOCK_DEAD_LETTER_CREATE: ['PENSTOCK_DEAD_LETTER_STREAM'],
  PENSTOCK_DEDUPE_TTL_SECONDS: ['PENSTOCK_DEDUPE_BUCKET'],
  PENSTOCK_DEDUPE_CREATE: ['PENSTOCK_DEDUPE_BUCKET'],
  PENSTOCK_DEDUPE_WHEN_UNKNOWN: ['PENSTOCK_DEDUPE_BUCKET'],
  PENSTOCK_SINGLE_FLIGHT_LOCK_SECONDS: ['PENSTOCK_SINGLE_FLIGHT_BUCKET'],
  PENSTOCK_ACK_WAIT_SECONDS: ['PENSTOCK_CREATE_CONSUMER'],
  PENSTOCK_MAX_ACK_PENDING: ['PENSTOCK_CREATE_CONSUMER'],
};

function requireCompany(environment: Environment, threads: boolean): void {
  const isSet = (name: string): boolean => !['', 'false'].includes(environment[name] ?? '');
  for (const [name, needed] of Object.entries(needs)) {
    const given = environment[name] ?? '';
    if (given === '' || needed.some(isSet)) continue;
    throw new PenstockError(
      'InvalidConfiguration',
      `${name}=${given}: has no effect without ${needed.join(' or ')}`,
    );
  }
  if (environment['PENSTOCK_HTTP_PORT'] === 'off' && isSet('PENSTOCK_HTTP_HOST')) {
    throw new PenstockError(
      'InvalidConfiguration',
      `PENSTOCK_HTTP_HOST=${environment['PENSTOCK_HTTP_HOST']}: has no effect with PENSTOCK_HTTP_PORT=off; leave out one of them`,
    );
  }
  if (!threads || !isSet('PENSTOCK_MAX_SLOTS')) return;
  throw new PenstockError(
    'InvalidConfiguration',
    `PENSTOCK_MAX_SLOTS=${environment['PENSTOCK_MAX_SLOTS']}: does not go with PENSTOCK_HANDLER_THREADS, as there is one thread for each slot; set PENSTOCK_SLOTS to the number of cores`,
  );
}
