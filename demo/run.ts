import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Clock } from '#common/clock.ts';
import { PenstockError, describeError } from '#common/errors.ts';
import type { Shutdown } from '#common/shutdown.ts';
import { msToSeconds } from '#common/units.ts';
import { startNatsServer } from '../test/tools/natsServer.ts';
import { openBroker } from './broker.ts';
import type { Broker } from './broker.ts';
import { checkJobs } from './checker.ts';
import type { DemoConfig } from './config.ts';
import { existingReplicas, measureFleet } from './fleet.ts';
import { followJobLog } from './jobLog.ts';
import { startOperator } from './operator.ts';
import type { OperatorProcess } from './operator.ts';
import { readPolicy } from './policy.ts';
import { replay } from './producer.ts';
import type { PublishedJob } from './producer.ts';
import { createProgress } from './progress.ts';
import type { Phase } from './progress.ts';
import { summarizeDemo } from './summary.ts';
import type { DemoSummary } from './summary.ts';
import { parseTrace, squeezeTrace } from './trace.ts';
import type { TraceJob } from './trace.ts';
import type { View } from './view.ts';
import { createWorkFolder } from './workFolder.ts';

/** What Node has compiled, kept from one demo to the next, for a quicker start. */
const compiledFolder = fileURLToPath(new URL('../.cache/compiled', import.meta.url));
const policyFile = fileURLToPath(new URL('../examples/policies/demo.yaml', import.meta.url));
/** Far more than the replicas need for any backlog that a replay of some minutes leaves. */
const settleMs = 300_000;

/**
 * The whole demo, from an empty machine back to an empty machine. The first signal ends the replay early and lets the
 * rest go its way; the second ends everything.
 *
 * @throws PenstockError `InvalidTrace` before anything starts; `OperatorEnded`, `PublishFailed`, `Interrupted` later.
 */
export async function runDemo(
  config: DemoConfig,
  view: View,
  shutdown: Shutdown,
  clock: Clock,
): Promise<DemoSummary> {
  const policy = await readPolicy(policyFile);
  const jobs = await readJobs(config);

  await using folder = await createWorkFolder();
  shutdown.forced.addEventListener('abort', () => folder.discard());
  await using server = await startNatsServer({ ownProcessGroup: true });
  await using broker = await openBroker(server.url, policy);
  const connectionFile = await folder.writeConnection(policy.connection, server.url);
  await using operator = startOperator({
    policyFiles: [policyFile, connectionFile],
    pool: policy.pool,
    logFile: folder.operatorLog,
    environment: {
      NODE_COMPILE_CACHE: compiledFolder,
      ...config.environment,
      PENSTOCK_DEMO_LOG: folder.jobLogs,
    },
  });
  view.say(`nats-server at ${server.url}, logs in ${folder.path}`);

  shutdown.requested.addEventListener('abort', () =>
    view.say('no more arrivals; waiting for the queue and the replicas (a second signal ends at once)'),
  );

  const published: PublishedJob[] = [];
  const jobLog = followJobLog(folder.jobLogs);
  const toSnapshot = createProgress(clock);
  const observe = async (phase: Phase): Promise<void> => {
    await operator.assertRunning();
    await jobLog.readNew();
    const completed = jobLog.records.filter(({ event }) => event === 'end').length;
    view.show(toSnapshot({ phase, published: published.length, completed, report: operator.reports.at(-1) }));
  };

  const replaying = replay(jobs, broker, clock, (job) => published.push(job), shutdown.requested);
  await untilReplayed(replaying, () => observe('replaying'), shutdown.forced);
  const leftOver = await untilSettled(
    broker,
    operator,
    policy.minReplicas,
    () => observe('draining'),
    clock,
    shutdown.forced,
  );

  await operator.stop();
  await jobLog.readNew();
  const verdict = checkJobs(published, jobLog.records, await broker.deadLetters());
  const summary = summarizeDemo(verdict, measureFleet(operator.reports), policy.slots, leftOver);
  if (summary.problems.length === 0) folder.discard();
  return summary;
}

async function readJobs({ traceFile, speed, seconds }: DemoConfig): Promise<TraceJob[]> {
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
  broker: Broker,
  operator: OperatorProcess,
  floor: number,
  observe: () => Promise<void>,
  clock: Clock,
  forced: AbortSignal,
): Promise<string | undefined> {
  const giveUpAtMs = clock.monotonicMs() + settleMs;
  let leftOver: string | undefined;
  await eachSecond(forced, async () => {
    await observe();
    const unresolved = await broker.unresolvedJobs();
    const latest = operator.reports.at(-1);
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
