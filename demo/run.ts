import { fileURLToPath } from 'node:url';
import type { Clock } from '#common/clock.ts';
import type { Shutdown } from '#common/shutdown.ts';
import { startNatsServer } from '../test/tools/natsServer.ts';
import { openBroker } from './broker.ts';
import type { DemoConfig } from './config.ts';
import { followJobLog } from './jobLog.ts';
import { startOperator } from './operator.ts';
import { play, readJobs } from './play.ts';
import { policyFile, readPolicy } from './policy.ts';
import type { DemoSummary } from './summary.ts';
import type { View } from './view.ts';
import { createWorkFolder } from './workFolder.ts';

/** What Node has compiled, kept from one demo to the next, for a quicker start. */
const compiledFolder = fileURLToPath(new URL('../.cache/compiled', import.meta.url));

/**
 * The whole demo, from an empty machine back to an empty machine.
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

  const stage = {
    broker,
    jobLog: followJobLog(folder.jobLogs),
    reports: operator.reports,
    look: () => operator.assertRunning(),
    close: () => operator.stop(),
    floor: policy.minReplicas,
    slots: policy.slots,
  };
  const summary = await play(jobs, stage, view, shutdown, clock);
  if (summary.problems.length === 0) folder.discard();
  return summary;
}
