import { msToSeconds } from '#common/units.ts';
import type { JobRecord } from './jobLog.ts';
import type { PublishedJob } from './producer.ts';
import { quantile } from './quantile.ts';

/** What became of the published jobs. Counts are jobs unless they say otherwise. */
export type JobsVerdict = {
  readonly published: number;
  /** At least one run came to its end. */
  readonly completed: number;
  /** Published, and neither completed nor dead-lettered. */
  readonly lost: number;
  readonly deadLettered: number;
  /** Started with an attempt above 1. */
  readonly redelivered: number;
  /** Started more than once. */
  readonly runTwice: number;
  /** Started while another run of the same job was going on. */
  readonly overlapping: number;
  /** From the time the trace wanted the job to arrive until its first start; null when none started. */
  readonly waitingSeconds: { readonly p50: number; readonly p95: number; readonly p99: number } | null;
  /** Sum over all runs that ended of the time that they held a slot. */
  readonly busySlotSeconds: number;
};

type Run = {
  readonly worker: string;
  readonly startMs: number;
  readonly attempt: number;
  endMs: number | undefined;
};

export function checkJobs(
  published: readonly PublishedJob[],
  records: readonly JobRecord[],
  deadLettered: ReadonlySet<string>,
): JobsVerdict {
  const runsById = groupRuns(records);
  const jobs = published.map(({ id, dueAtMs }) => ({ id, dueAtMs, runs: runsById.get(id) ?? [] }));
  const countJobs = (matches: (job: (typeof jobs)[number]) => boolean): number => jobs.filter(matches).length;
  const isCompleted = (runs: readonly Run[]): boolean => runs.some((run) => run.endMs !== undefined);
  const waitingSeconds = jobs
    .filter(({ runs }) => runs.length > 0)
    .map(({ runs, dueAtMs }) => msToSeconds(firstStartMs(runs) - dueAtMs));
  return {
    published: jobs.length,
    completed: countJobs(({ runs }) => isCompleted(runs)),
    lost: countJobs(({ id, runs }) => !isCompleted(runs) && !deadLettered.has(id)),
    deadLettered: countJobs(({ id }) => deadLettered.has(id)),
    redelivered: countJobs(({ runs }) => runs.some((run) => run.attempt > 1)),
    runTwice: countJobs(({ runs }) => runs.length > 1),
    overlapping: countJobs(({ runs }) => haveOverlap(runs)),
    waitingSeconds: percentiles(waitingSeconds),
    busySlotSeconds: msToSeconds(
      [...runsById.values()].flat().reduce((sum, run) => sum + ((run.endMs ?? run.startMs) - run.startMs), 0),
    ),
  };
}

function groupRuns(records: readonly JobRecord[]): Map<string, Run[]> {
  const runsById = new Map<string, Run[]>();
  for (const { event, id, worker, attempt, atMs } of records) {
    const runs = runsById.get(id) ?? [];
    runsById.set(id, runs);
    if (event === 'start') {
      runs.push({ worker, startMs: atMs, attempt, endMs: undefined });
    } else {
      const open = runs.findLast((run) => run.worker === worker && run.endMs === undefined);
      if (open !== undefined) open.endMs = atMs;
    }
  }
  return runsById;
}

const firstStartMs = (runs: readonly Run[]): number => Math.min(...runs.map((run) => run.startMs));

/** A run without an end was broken off at a time that nobody knows; it is not held against the next one. */
function haveOverlap(runs: readonly Run[]): boolean {
  const byStart = runs.toSorted((a, b) => a.startMs - b.startMs);
  return byStart.some((run, index) => {
    const previous = byStart[index - 1];
    return previous?.endMs !== undefined && previous.endMs > run.startMs;
  });
}

function percentiles(values: readonly number[]): JobsVerdict['waitingSeconds'] {
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => quantile(values, share));
  return p50 === undefined || p95 === undefined || p99 === undefined ? null : { p50, p95, p99 };
}
