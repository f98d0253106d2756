/**
 * A portion of the jobs that were done under a backlog. Comparing portions tells whether jobs take longer the more of
 * them run at once.
 */
export type Batch = {
  /** Monotonic time at which its first step began, milliseconds. */
  readonly fromMs: number;
  /** Mean number of slots that ran a job. */
  readonly busySlots: number;
  /** Mean run time, milliseconds; above 0. */
  readonly serviceMs: number;
  /** Messages that left the backlog. */
  readonly completed: number;
  readonly seconds: number;
};

/** Batches that are full, oldest first, and the one that is being filled. */
export type Batches = { readonly full: readonly Batch[]; readonly filling: Filling | undefined };

type Filling = Step & { readonly fromMs: number };

/** What was done between two looks. */
export type Step = {
  readonly seconds: number;
  readonly completed: number;
  readonly busySlotSeconds: number;
  /** Jobs whose run time was reported, and the sum of those times; none without heartbeats. */
  readonly reportedJobs: number;
  readonly reportedMs: number;
};

export const emptyBatches: Batches = { full: [], filling: undefined };

/** The mean of so many run times is near enough to normally distributed, also when they vary a lot. */
const jobsPerBatch = 20;
const shortestSeconds = 1;
const batchMemoryMs = 300_000;
/**
 * Run times as reported must agree with Little's law within this factor; beyond it they are cut. The law counts the
 * jobs that new replicas have begun and not ended, which makes it late by up to a factor of 2.
 */
const trustFactor = 3;

/**
 * Adds a step that began and ended with undelivered messages; any other step ends the batch being filled.
 *
 * @param atMs time of the look that ended the step.
 */
export function addToBatches(batches: Batches, atMs: number, step: Step | undefined): Batches {
  const full = withoutOld(batches.full, atMs - batchMemoryMs);
  if (step === undefined) return { full, filling: undefined };
  const filling = batches.filling === undefined ? begin(step, atMs) : add(batches.filling, step);
  const jobs = Math.min(filling.completed, filling.reportedJobs > 0 ? filling.reportedJobs : Infinity);
  if (jobs < jobsPerBatch || filling.seconds < shortestSeconds) return { full, filling };
  return { full: [...full, close(filling)], filling: undefined };
}

const begin = (step: Step, atMs: number): Filling => ({ ...step, fromMs: atMs - step.seconds * 1_000 });

function add(filling: Filling, step: Step): Filling {
  return {
    fromMs: filling.fromMs,
    seconds: filling.seconds + step.seconds,
    completed: filling.completed + step.completed,
    busySlotSeconds: filling.busySlotSeconds + step.busySlotSeconds,
    reportedJobs: filling.reportedJobs + step.reportedJobs,
    reportedMs: filling.reportedMs + step.reportedMs,
  };
}

/** By Little's law the mean run time is busy slots over completions per second; reports know it without delay. */
function close(filling: Filling): Batch {
  const { fromMs, seconds, completed, busySlotSeconds, reportedJobs, reportedMs } = filling;
  const littleMs = Math.max(0.01, (1_000 * busySlotSeconds) / completed);
  const reported = reportedJobs > 0 ? reportedMs / reportedJobs : littleMs;
  return {
    fromMs,
    busySlots: busySlotSeconds / seconds,
    serviceMs: Math.min(littleMs * trustFactor, Math.max(littleMs / trustFactor, reported)),
    completed,
    seconds,
  };
}

function withoutOld(full: readonly Batch[], sinceMs: number): readonly Batch[] {
  const first = full[0];
  return first === undefined || first.fromMs >= sinceMs
    ? full
    : full.filter(({ fromMs }) => fromMs >= sinceMs);
}
