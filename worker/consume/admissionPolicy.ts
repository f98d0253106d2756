import { invalidOption, requireCount, requireMs, requireNumber } from '../optionChecks.ts';
import type { Job } from './job.ts';
import { keySourcePattern } from './key.ts';
import type { KeySource } from './key.ts';
import type { RatePolicy } from './rate.ts';

/** What becomes of jobs that cannot start now. */
type Overload =
  /** They wait. */
  | { readonly kind: 'wait' }
  /** One that the rate of its key holds up goes back, to be delivered again after the delay. */
  | { readonly kind: 'reject'; readonly delayMs: number }
  /** They wait, but one that is too old, or past its deadline, goes to the dead letters. */
  | { readonly kind: 'shed'; readonly maxAgeMs: number };

/** What a job author may set about when a job starts. Everything is off unless it is set. */
export type AdmissionOptions = {
  /** What tells jobs apart for `ordered` and `keyRate`. */
  readonly key?: KeySource;
  /** Runs the jobs of a key one at a time and in order. Default false. */
  readonly ordered?: boolean;
  /** Jobs a second that start in this worker, and how many at one moment. Default burst 1. */
  readonly rate?: { readonly perSecond: number; readonly burst?: number };
  /** The same for each key. */
  readonly keyRate?: { readonly perSecond: number; readonly burst?: number };
  /** Jobs that may wait for their key or its rate before no more are asked for. Default 250. */
  readonly maxWaiting?: number;
  /** What becomes of jobs that cannot start now: see docs/worker.md. Default wait. */
  readonly overload?: Overload['kind'];
  /** With `reject`: time until a rejected job is delivered again. Default 5,000. */
  readonly rejectDelayMs?: number;
  /** With `shed`: jobs that the stream stored longer ago are not run. Default: only deadlines count. */
  readonly maxAgeMs?: number;
  /** How many slots a job takes, at least 1, rounded up: a header with the number, or a function. Default: one each. */
  readonly weight?: `header:${string}` | ((job: Job) => number);
};

export type AdmissionPolicy = {
  readonly key: KeySource | undefined;
  readonly ordered: boolean;
  readonly keyRate: RatePolicy | undefined;
  readonly rate: RatePolicy | undefined;
  readonly overload: Overload;
  readonly weight: ((job: Job) => number) | undefined;
  readonly maxWaiting: number;
};

export const admissionDefaults = {
  burst: 1,
  /** A quarter of what the server lets all replicas hold unless told otherwise. */
  maxWaiting: 250,
  rejectDelayMs: 5_000,
} as const;

/**
 * @returns undefined when nothing is set that could keep a job from starting.
 * @throws PenstockError `InvalidOptions`
 */
export function compileAdmission(options: AdmissionOptions): AdmissionPolicy | undefined {
  const { key, ordered = false, maxWaiting = admissionDefaults.maxWaiting } = options;
  const policy = {
    key: key === undefined ? undefined : requireKey(key),
    ordered,
    keyRate: options.keyRate && compileRate('keyRate', options.keyRate),
    rate: options.rate && compileRate('rate', options.rate),
    overload: compileOverload(options),
    weight: compileWeight(options.weight),
    maxWaiting: requireCount('maxWaiting', maxWaiting, 1),
  };
  if (key === undefined && options.maxWaiting !== undefined) {
    throw invalidOption(
      'maxWaiting',
      maxWaiting,
      'has no effect without key, as jobs wait for that of theirs',
    );
  }
  requireSense(policy);
  const isSet = key ?? options.rate ?? options.weight ?? options.overload;
  return isSet === undefined ? undefined : policy;
}

/** Settings that contradict each other, or have no effect. */
function requireSense({ key, ordered, keyRate, overload }: AdmissionPolicy): void {
  if (key === undefined && ordered)
    throw invalidOption('ordered', true, 'needs key, as order is kept per key');
  if (key === undefined && keyRate !== undefined) {
    throw invalidOption('keyRate', keyRate, 'needs key, as the rate holds per key');
  }
  if (key !== undefined && !ordered && keyRate === undefined) {
    throw invalidOption('key', String(key), 'has no effect alone; set ordered or keyRate beside it');
  }
  if (overload.kind !== 'reject') return;
  if (keyRate === undefined) {
    throw invalidOption('overload', 'reject', 'needs keyRate, as that is what jobs are rejected by');
  }
  if (ordered) {
    throw invalidOption(
      'overload',
      'reject',
      'lets later jobs of a key overtake; leave out ordered, or use wait',
    );
  }
}

function requireKey(key: KeySource): KeySource {
  if (typeof key === 'function' || keySourcePattern.test(key)) return key;
  throw invalidOption('key', key, 'must be header:NAME, subject:N (from 1), or a function of the job');
}

function compileRate(
  option: string,
  { perSecond, burst = admissionDefaults.burst }: { readonly perSecond: number; readonly burst?: number },
): RatePolicy {
  return {
    perSecond: requireNumber(`${option}.perSecond`, perSecond, 0.001, 1_000_000),
    burst: requireCount(`${option}.burst`, burst, 1),
  };
}

function compileOverload({ overload = 'wait', rejectDelayMs, maxAgeMs }: AdmissionOptions): Overload {
  if (rejectDelayMs !== undefined && overload !== 'reject') {
    throw invalidOption('rejectDelayMs', rejectDelayMs, 'has no effect unless overload is reject');
  }
  if (maxAgeMs !== undefined && overload !== 'shed') {
    throw invalidOption('maxAgeMs', maxAgeMs, 'has no effect unless overload is shed');
  }
  switch (overload) {
    case 'wait':
      return { kind: 'wait' };
    case 'reject': {
      const delayMs = rejectDelayMs ?? admissionDefaults.rejectDelayMs;
      return { kind: 'reject', delayMs: requireMs('rejectDelayMs', delayMs) };
    }
    case 'shed':
      return {
        kind: 'shed',
        maxAgeMs: maxAgeMs === undefined ? Infinity : requireMs('maxAgeMs', maxAgeMs),
      };
  }
  throw invalidOption('overload', overload, 'must be wait, reject or shed');
}

function compileWeight(weight: AdmissionOptions['weight']): AdmissionPolicy['weight'] {
  if (weight === undefined || typeof weight === 'function') return weight;
  const name = /^header:([!-9;-~]+)$/.exec(weight)?.[1]?.toLowerCase();
  if (name === undefined)
    throw invalidOption('weight', weight, 'must be header:NAME, or a function of the job');
  return (job) => Number(job.headers.get(name) ?? 1);
}
