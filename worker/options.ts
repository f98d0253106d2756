import { hostname } from 'node:os';
import { createLogger } from '#common/log.ts';
import type { Logger } from '#common/log.ts';
import type { NatsSettings } from '#common/nats.ts';
import { compileAdmission } from './consume/admissionPolicy.ts';
import type { AdaptivePolicy } from './consume/adaptive.ts';
import type { AdmissionOptions, AdmissionPolicy } from './consume/admissionPolicy.ts';
import type { FleetFlightSettings } from './handle/fleetFlights.ts';
import {
  invalidOption,
  requireBucket,
  requireBucketTtl,
  requireCount,
  requireMs,
  requireName,
  requireNumber,
} from './optionChecks.ts';
import { batchErrorModes } from './handle/batch.ts';
import type { BatchPolicy } from './handle/batcher.ts';
import type { SlotStateSource } from './handle/slotStates.ts';
import { defaultDeadLetterSubject } from './outcome/deadLetter.ts';
import type { DeadLetterSettings } from './outcome/deadLetter.ts';
import type { DedupeSettings } from './outcome/duplicates.ts';
import type { BackoffPolicy } from './outcome/backoff.ts';
import type { BreakerPolicy } from './outcome/breaker.ts';
import type { BudgetPolicy } from './outcome/budget.ts';

/** Where nothing is said. Times in milliseconds. */
export const workerDefaults = {
  /** One: a handler that was never meant to run beside itself is right by default. */
  slots: 1,
  batchSize: 100,
  batchWaitMs: 100,
  batchErrors: 'each',
  jobTimeoutMs: 300_000,
  abortGraceMs: 2_000,
  maxAttempts: 5,
  backoffBaseMs: 1_000,
  backoffMaxMs: 300_000,
  /** Retries per success: with a fifth, failures can never make the load more than 1.2 times as high for long. */
  retryBudgetRatio: 0.2,
  retryBudgetMinPerSecond: 1,
  retryBudgetDelayMs: 60_000,
  breakerFailureRatio: 0.5,
  breakerSlowRatio: 0.5,
  breakerMinJobs: 20,
  breakerWindowMs: 10_000,
  breakerOpenMs: 10_000,
  breakerProbes: 3,
  dedupeTtlMs: 86_400_000,
  singleFlightLockMs: 10_000,
  /** Below the 30 s that Kubernetes grants by default. */
  graceMs: 25_000,
  /** Short enough that the jobs of a killed worker come back soon; leases are extended, so jobs may take longer. */
  ackWaitMs: 30_000,
  maxAckPending: 1_000,
} as const;

/** What a job author may set. Only the names of stream and consumer have no default. Times in milliseconds. */
export type WorkerOptions = AdmissionOptions & {
  readonly stream: string;
  /** One, or several of the same stream, as partitions are: an equal share of the slots is kept open for each. */
  readonly consumer: string | readonly string[];
  /** Default: nats://127.0.0.1:4222. */
  readonly nats?: Partial<NatsSettings>;
  /** Jobs that run at once, or batches. Default 1. */
  readonly slots?: number;
  /** Lets the number of slots follow the measured latency, from `slots` to this. Default: it is fixed. */
  readonly maxSlots?: number;
  /** Resources that the jobs of this worker share, by name: how much of each there is, for `context.limit`. */
  readonly limits?: Readonly<Record<string, number>>;
  /** What each slot keeps from job to job, for `context.slotState()`. */
  readonly slotState?: SlotStateSource;
  /** Messages held beyond the running ones; `auto` (default) follows the measured service time and the backlog. */
  readonly prefetch?: number | 'auto';
  /** For `runBatchWorker`: jobs of a batch, how long the first waits for others, and what an error means for them. */
  readonly batch?: Partial<BatchPolicy>;
  /** Time limit of a job. Default 300,000. */
  readonly jobTimeoutMs?: number;
  /** Time from the abort until a job that goes on counts as stuck. Default 2,000. */
  readonly abortGraceMs?: number;
  /** Attempts that a job gets in all. Default 5. */
  readonly maxAttempts?: number;
  /** Delay between attempts: up to base × 2^(attempt − 1), at most max. Default 1,000 and 300,000. */
  readonly backoff?: Partial<BackoffPolicy>;
  /** Delays retries further when there are too many. Default: not. */
  readonly retryBudget?: Partial<BudgetPolicy>;
  /** Takes no jobs while what they depend on does not work. Default: takes them. */
  readonly breaker?: Partial<BreakerPolicy>;
  /**
   * Stream that remembers which deliveries were no attempts; created when it is missing. Default: none, and every
   * delivery counts as an attempt.
   */
  readonly forgivenStream?: string;
  /** Waits for the server's word on each ack, and repeats it if need be. Default false. */
  readonly confirmAcks?: boolean;
  /** Where jobs go that are given up. Default: nowhere, they are terminated and logged. */
  readonly deadLetter?: {
    readonly stream: string;
    /** Default: dead-letter.STREAM.CONSUMER. */
    readonly subject?: string;
    /** Creates the stream when it is missing. Default true. */
    readonly create?: boolean;
  };
  /** Acks jobs that were done before without running them. Default: every delivery runs. */
  readonly dedupe?: {
    /** Key-value bucket that remembers the jobs that are done. */
    readonly bucket: string;
    /** How long. Default 86,400,000, a day. */
    readonly ttlMs?: number;
    /** Creates the bucket when it is missing. Default true. */
    readonly create?: boolean;
    /** What becomes of a job while the bucket cannot be read: it waits in its slot (default), or runs. */
    readonly whenUnknown?: 'wait' | 'run';
  };
  /** Lets `context.singleFlight` work for the whole fleet. Default: for the jobs of this worker. */
  readonly singleFlight?: {
    /** Key-value bucket for locks and shared results. Needs nats-server 2.11. */
    readonly bucket: string;
    /** How long the lock of a worker that died keeps the others waiting. Default 10,000. */
    readonly lockMs?: number;
    /** Creates the bucket when it is missing. Default true. */
    readonly create?: boolean;
  };
  /** Creates the durable consumer when it is missing. Default: not. */
  readonly createConsumer?: { readonly ackWaitMs?: number; readonly maxAckPending?: number };
  /** Time that a graceful stop may take. Default 25,000. */
  readonly graceMs?: number;
  /**
   * Resident memory, MiB, beyond which the worker drains and ends, for its host to start it anew: choose it below the
   * container's limit. Default: none.
   */
  readonly maxMemoryMiB?: number;
  /** Folder for heap snapshots, one at each SIGUSR2, three at most. Default: none, and the signal is not handled. */
  readonly heapSnapshotFolder?: string;
  /** Serves /metrics, /healthz, /readyz and /debug/jobs. Default: not. */
  readonly http?: { readonly host: string; readonly port: number };
  /** Name under which the host knows this process. Default: host name and process id. */
  readonly replica?: string;
  readonly logger?: Logger;
};

/** Options with nothing left open. */
export type Settings = {
  readonly stream: string;
  readonly consumers: readonly string[];
  /** The first of them: what belongs to the worker and not to a partition goes by its name. */
  readonly consumer: string;
  readonly nats: NatsSettings;
  /** Jobs that run at once; with batches, those of all of them. */
  readonly slots: number;
  readonly batch: BatchPolicy | undefined;
  /** Undefined: the number of slots is fixed. */
  readonly adaptive: AdaptivePolicy | undefined;
  readonly limits: ReadonlyMap<string, number>;
  readonly slotState: SlotStateSource | undefined;
  readonly prefetch: number | 'auto';
  /** Undefined: every job may start at once. */
  readonly admission: AdmissionPolicy | undefined;
  readonly jobTimeoutMs: number;
  readonly abortGraceMs: number;
  readonly maxAttempts: number;
  readonly backoff: BackoffPolicy;
  readonly retryBudget: BudgetPolicy | undefined;
  readonly breaker: BreakerPolicy | undefined;
  readonly forgivenStream: string | undefined;
  readonly confirmAcks: boolean;
  readonly deadLetter: DeadLetterSettings | undefined;
  readonly dedupe: DedupeSettings | undefined;
  readonly singleFlight: FleetFlightSettings | undefined;
  readonly create: { readonly ackWaitMs: number; readonly maxAckPending: number } | undefined;
  readonly graceMs: number;
  readonly maxMemoryMiB: number | undefined;
  readonly heapSnapshotFolder: string | undefined;
  readonly http: { readonly host: string; readonly port: number } | undefined;
  readonly replica: string;
  readonly logger: Logger;
};

/** @throws PenstockError `InvalidOptions`, naming the option, its value and what would fit. */
export function compileOptions(options: WorkerOptions): Settings {
  const { stream, deadLetter, createConsumer, forgivenStream, prefetch = 'auto' } = options;
  const consumers = compileConsumers(options.consumer);
  const [consumer = ''] = consumers;
  const batch = options.batch && compileBatch(options.batch);
  const settings: Settings = {
    stream: requireName('stream', stream),
    consumers,
    consumer,
    nats: { servers: ['nats://127.0.0.1:4222'], inboxPrefix: '_INBOX', ...options.nats },
    slots: requireCount('slots', options.slots ?? workerDefaults.slots, 1) * (batch?.size ?? 1),
    batch,
    adaptive: compileAdaptive(options),
    limits: compileLimits(options.limits ?? {}),
    slotState: options.slotState,
    prefetch: prefetch === 'auto' ? prefetch : requireCount('prefetch', prefetch, 0),
    admission: compileAdmission(options),
    jobTimeoutMs: requireMs('jobTimeoutMs', options.jobTimeoutMs ?? workerDefaults.jobTimeoutMs),
    abortGraceMs: requireMs('abortGraceMs', options.abortGraceMs ?? workerDefaults.abortGraceMs),
    maxAttempts: requireCount('maxAttempts', options.maxAttempts ?? workerDefaults.maxAttempts, 1),
    backoff: compileBackoff(options.backoff ?? {}),
    retryBudget: options.retryBudget && compileBudget(options.retryBudget),
    breaker: options.breaker && compileBreaker(options.breaker),
    forgivenStream: forgivenStream === undefined ? undefined : requireName('forgivenStream', forgivenStream),
    confirmAcks: options.confirmAcks ?? false,
    deadLetter: deadLetter && {
      stream: requireName('deadLetter.stream', deadLetter.stream),
      subject: deadLetter.subject ?? defaultDeadLetterSubject(stream, consumer),
      create: deadLetter.create ?? true,
    },
    dedupe: options.dedupe && {
      bucket: requireBucket('dedupe.bucket', options.dedupe.bucket),
      ttlMs: requireBucketTtl('dedupe.ttlMs', options.dedupe.ttlMs ?? workerDefaults.dedupeTtlMs),
      create: options.dedupe.create ?? true,
      whenUnknown: options.dedupe.whenUnknown ?? 'wait',
    },
    singleFlight: options.singleFlight && {
      bucket: requireBucket('singleFlight.bucket', options.singleFlight.bucket),
      lockMs: requireBucketTtl(
        'singleFlight.lockMs',
        options.singleFlight.lockMs ?? workerDefaults.singleFlightLockMs,
      ),
      create: options.singleFlight.create ?? true,
    },
    create: createConsumer && {
      ackWaitMs: requireMs('createConsumer.ackWaitMs', createConsumer.ackWaitMs ?? workerDefaults.ackWaitMs),
      maxAckPending: requireCount(
        'createConsumer.maxAckPending',
        createConsumer.maxAckPending ?? workerDefaults.maxAckPending,
        1,
      ),
    },
    graceMs: requireMs('graceMs', options.graceMs ?? workerDefaults.graceMs),
    maxMemoryMiB:
      options.maxMemoryMiB === undefined ? undefined : requireCount('maxMemoryMiB', options.maxMemoryMiB, 64),
    heapSnapshotFolder: options.heapSnapshotFolder,
    http: options.http,
    replica: requireReplica(options.replica ?? `${hostname()}-${process.pid}`),
    logger: options.logger ?? createLogger('worker', 'info'),
  };
  requireSense(options, settings);
  return settings;
}

/** Settings that contradict each other, or have no effect. */
function requireSense(options: WorkerOptions, settings: Settings): void {
  const { stream, consumers, batch, breaker, jobTimeoutMs, abortGraceMs, forgivenStream } = settings;
  const { createConsumer, deadLetter, dedupe } = options;
  if (consumers.length > settings.slots) {
    throw invalidOption(
      'slots',
      settings.slots,
      `must be at least the ${consumers.length} consumers, as each may deliver a job at any time`,
    );
  }
  if (batch !== undefined && options.weight !== undefined) {
    throw invalidOption(
      'weight',
      String(options.weight),
      'has no meaning in batches; leave out weight or batch',
    );
  }
  if (consumers.length > 1 && createConsumer !== undefined) {
    throw invalidOption('createConsumer', createConsumer, 'makes no partitions; use penstock partitions');
  }
  if (settings.deadLetter?.stream === stream) {
    throw invalidOption('deadLetter.stream', stream, 'must be another stream than that of the jobs');
  }
  if (forgivenStream === stream || (forgivenStream !== undefined && forgivenStream === deadLetter?.stream)) {
    throw invalidOption('forgivenStream', forgivenStream, 'must be a stream of its own');
  }
  if (settings.admission?.overload.kind === 'reject' && forgivenStream === undefined) {
    throw invalidOption('overload', 'reject', 'needs forgivenStream, or each rejection counts as an attempt');
  }
  if (options.breaker?.slowRatio !== undefined && breaker?.slowMs === Infinity) {
    throw invalidOption(
      'breaker.slowRatio',
      options.breaker.slowRatio,
      'has no effect without breaker.slowMs, which says what is slow',
    );
  }
  const latestMs = jobTimeoutMs + abortGraceMs;
  if (breaker !== undefined && breaker.slowMs !== Infinity && breaker.slowMs >= latestMs) {
    throw invalidOption(
      'breaker.slowMs',
      breaker.slowMs,
      `must be below jobTimeoutMs + abortGraceMs (${latestMs}), after which no job succeeds`,
    );
  }
  if (dedupe?.create === false && dedupe.ttlMs !== undefined) {
    throw invalidOption(
      'dedupe.ttlMs',
      dedupe.ttlMs,
      'has no effect on a bucket that is there; leave it out, or leave out create: false',
    );
  }
}

function compileBackoff({
  maxMs = workerDefaults.backoffMaxMs,
  baseMs = Math.min(workerDefaults.backoffBaseMs, maxMs),
}: Partial<BackoffPolicy>): BackoffPolicy {
  const backoff = { baseMs: requireMs('backoff.baseMs', baseMs), maxMs: requireMs('backoff.maxMs', maxMs) };
  if (baseMs <= maxMs) return backoff;
  throw invalidOption('backoff.baseMs', baseMs, `must be at most backoff.maxMs (${maxMs}); raise that, too`);
}

function compileAdaptive({
  slots = workerDefaults.slots,
  maxSlots,
  batch,
}: WorkerOptions): AdaptivePolicy | undefined {
  if (maxSlots === undefined) return undefined;
  if (batch !== undefined) {
    throw invalidOption(
      'maxSlots',
      maxSlots,
      'does not go with batches, whose latency says nothing of their number',
    );
  }
  const ceiling = requireCount('maxSlots', maxSlots, slots);
  if (ceiling > slots) return { floor: slots, ceiling };
  throw invalidOption('maxSlots', maxSlots, `has no effect beside as many slots (${slots}); leave it out`);
}

function compileLimits(limits: Readonly<Record<string, number>>): ReadonlyMap<string, number> {
  const entries = Object.entries(limits);
  return new Map(entries.map(([name, most]) => [name, requireNumber(`limits.${name}`, most, 0.001, 1e9)]));
}

/** @throws PenstockError `InvalidOptions` */
export function compileBatch(given: Partial<BatchPolicy>): BatchPolicy {
  const {
    size = workerDefaults.batchSize,
    waitMs = workerDefaults.batchWaitMs,
    errors = workerDefaults.batchErrors,
  } = given;
  if (!batchErrorModes.includes(errors)) {
    throw invalidOption('batch.errors', errors, `must be one of ${batchErrorModes.join(', ')}`);
  }
  return { size: requireCount('batch.size', size, 1), waitMs: requireMs('batch.waitMs', waitMs), errors };
}

function compileConsumers(given: string | readonly string[]): readonly string[] {
  const consumers = typeof given === 'string' ? [given] : given;
  const names = consumers.map((name) => requireName('consumer', name));
  if (names.length >= 1 && new Set(names).size === names.length) return names;
  throw invalidOption('consumer', given, 'must be one name or several different ones');
}

function compileBudget(given: Partial<BudgetPolicy>): BudgetPolicy {
  const {
    ratio = workerDefaults.retryBudgetRatio,
    minPerSecond = workerDefaults.retryBudgetMinPerSecond,
    delayMs = workerDefaults.retryBudgetDelayMs,
  } = given;
  return {
    ratio: requireNumber('retryBudget.ratio', ratio, 0, 10),
    minPerSecond: requireNumber('retryBudget.minPerSecond', minPerSecond, 0, 100_000),
    delayMs: requireMs('retryBudget.delayMs', delayMs),
  };
}

function compileBreaker(given: Partial<BreakerPolicy>): BreakerPolicy {
  const {
    failureRatio = workerDefaults.breakerFailureRatio,
    slowMs = Infinity,
    slowRatio = workerDefaults.breakerSlowRatio,
    minJobs = workerDefaults.breakerMinJobs,
    windowMs = workerDefaults.breakerWindowMs,
    openMs = workerDefaults.breakerOpenMs,
    probes = workerDefaults.breakerProbes,
  } = given;
  return {
    failureRatio: requireNumber('breaker.failureRatio', failureRatio, 0.01, 1),
    slowMs: slowMs === Infinity ? slowMs : requireMs('breaker.slowMs', slowMs),
    slowRatio: requireNumber('breaker.slowRatio', slowRatio, 0.01, 1),
    minJobs: requireCount('breaker.minJobs', minJobs, 1),
    windowMs: requireMs('breaker.windowMs', windowMs),
    openMs: requireMs('breaker.openMs', openMs),
    probes: requireCount('breaker.probes', probes, 1),
  };
}

/** Leaves room for what makes the name of the process unique within the 253 characters of a heartbeat's names. */
const maxReplicaChars = 200;

function requireReplica(value: string): string {
  if (value.length >= 1 && value.length <= maxReplicaChars) return value;
  throw invalidOption('replica', value, `must have 1 to ${maxReplicaChars} characters`);
}
