import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '#common/clock.ts';
import { PenstockError, describeError } from '#common/errors.ts';
import type { Shutdown } from '#common/shutdown.ts';
import { msToSeconds } from '#common/units.ts';
import type { Broker } from './broker.ts';
import { checkJobs } from './checker.ts';
import type { DemoConfig } from './config.ts';
import { existingReplicas, measureFleet } from './fleet.ts';
import type { JobLog } from './jobLog.ts';
import type { PoolReport } from './poolReport.ts';
import { replay } from './producer.ts';
import type { PublishedJob } from './producer.ts';
import { createProgress } from './progress.ts';
import type { Phase } from './progress.ts';
import { summarizeDemo } from './summary.ts';
import type { DemoSummary } from './summary.ts';
import { parseTrace, squeezeTrace } from './trace.ts';
import type { TraceJob } from './trace.ts';
import type { View } from './view.ts';

/** What a trace is played on: an operator and its workers, wherever they run. */
export type Stage = {
  readonly broker: Broker;
  readonly jobLog: JobLog;
  /** Of the pool, oldest first. */
  readonly reports: readonly PoolReport[];
  /** Brings the reports up to date, or throws when nobody will. */
  look(): Promise<void>;
  /** Ends what works, once all is done. */
  close(): Promise<void>;
  /** Replicas when there is no work. */
  readonly floor: number;
  /** Jobs that one replica runs at once. */
  readonly slots: number;
};

/** Far more than the replicas need for any backlog that a replay of some minutes leaves. */
const settleMs = 300_000;

/**
 * Publishes the jobs, waits until they are done and the replicas back at their floor, and checks what became of each. The
 * first signal ends the replay early and lets the rest go its way; the second ends everything.
 *
 * @throws PenstockError `PublishFailed`, `Interrupted`, and what the stage throws.
 */
export async function play(
  jobs: readonly TraceJob[],
  stage: Stage,
  view: View,
  shutdown: Shutdown,
  clock: Clock,
): Promise<DemoSummary> {
  const { broker, jobLog, reports } = stage;
  shutdown.requested.addEventListener('abort', () =>
    view.say('no more arrivals; waiting for the queue and the replicas (a second signal ends at once)'),
  );
  const published: PublishedJob[] = [];
  const toSnapshot = createProgress(clock);
  const observe = async (phase: Phase): Promise<void> => {
    await stage.look();
    await jobLog.readNew();
    const completed = jobLog.records.filter(({ event }) => event === 'end').length;
    view.show(toSnapshot({ phase, published: published.length, completed, report: reports.at(-1) }));
  };

  const replaying = replay(jobs, broker, clock, (job) => published.push(job), shutdown.requested);
  await untilReplayed(replaying, () => observe('replaying'), shutdown.forced);
  const leftOver = await untilSettled(stage, () => observe('draining'), clock, shutdown.forced);

  await stage.close();
  await jobLog.readNew();
  const verdict = checkJobs(published, jobLog.records, await broker.deadLetters());
  return summarizeDemo(verdict, measureFleet(reports), stage.slots, leftOver);
}

/** @throws PenstockError `InvalidTrace` */
export async function readJobs({ traceFile, speed, seconds }: DemoConfig): Promise<TraceJob[]> {
  const text = await readFile(traceFile, 'utf8').catch((error: unknown) => {
    throw new PenstockError('InvalidTrace', `--trace ${traceFile} cannot be read: ${describeError(error)}`, {
      cause: error,
    });
  });
  const jobs = squeezeTrace(parseTrace(text, traceFile), speed, seconds);
  if (jobs.length > 0) return jobs;
  throw new PenstockError(
    'InvalidTrace',
    `${traceFile} has no job in its first ${seconds * speed} s; raise --seconds or --speed`,
  );
}

async function untilReplayed(
  replaying: Promise<void>,
  observe: () => Promise<void>,
  forced: AbortSignal,
): Promise<void> {
  let isOver = false;
  const over = replaying.finally(() => (isOver = true));
  over.catch(() => undefined); // Told below, once the loop has ended.
  await eachSecond(forced, async () => {
    await observe();
    return isOver;
  });
  await over;
}

/** @returns what still was not as it should be when the time was up; undefined when all is settled. */
async function untilSettled(
  { broker, reports, floor }: Stage,
  observe: () => Promise<void>,
  clock: Clock,
  forced: AbortSignal,
): Promise<string | undefined> {
  const giveUpAtMs = clock.monotonicMs() + settleMs;
  let leftOver: string | undefined;
  await eachSecond(forced, async () => {
    await observe();
    const unresolved = await broker.unresolvedJobs();
    const latest = reports.at(-1);
    const replicas = latest === undefined ? undefined : existingReplicas(latest);
    leftOver =
      unresolved === 0 && replicas === floor
        ? undefined
        : `${unresolved} jobs were unresolved and ${replicas ?? 'an unknown number of'} replicas ran ` +
          `${msToSeconds(settleMs)} s after the replay; 0 and ${floor} were expected`;
    return leftOver === undefined || clock.monotonicMs() > giveUpAtMs;
  });
  return leftOver;
}

/** @throws PenstockError `Interrupted` as soon as `forced` is aborted. */
async function eachSecond(forced: AbortSignal, isOver: () => Promise<boolean>): Promise<void> {
  do {
    await sleep(1_000, undefined, { signal: forced }).catch(() => {
      throw new PenstockError('Interrupted', 'ended at once by a second signal; nothing was verified');
    });
  } while (!(await isOver()));
}
