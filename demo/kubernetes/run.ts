import type { Clock } from '#common/clock.ts';
import type { Shutdown } from '#common/shutdown.ts';
import { bringDown, bringUp } from '../../test/cluster/cluster.ts';
import { reachNats } from '../../test/cluster/nats.ts';
import { placeOf } from '../../test/cluster/place.ts';
import { Kubectl } from '../../test/tools/kubectl.ts';
import type { ClusterAccess } from '../../test/tools/kubectl.ts';
import { openBroker } from '../broker.ts';
import { openJobStream } from '../jobStream.ts';
import { play, readJobs } from '../play.ts';
import { policyFile, readPolicy } from '../policy.ts';
import type { DemoSummary } from '../summary.ts';
import type { View } from '../view.ts';
import type { KubernetesDemoConfig } from './config.ts';
import {
  installOperator,
  installWorkers,
  namespace,
  notesSubject,
  poolName,
  workerRelease,
} from './installation.ts';
import { followPool } from './poolReports.ts';

const place = placeOf('demo');

/**
 * The whole demo on a cluster, which is brought up for it unless one is named.
 *
 * @throws PenstockError `InvalidTrace` before anything starts; `PrerequisitesMissing`, `ClusterFailed`, `PublishFailed`,
 *   `Interrupted` later.
 */
export async function runKubernetesDemo(
  config: KubernetesDemoConfig,
  view: View,
  shutdown: Shutdown,
  clock: Clock,
): Promise<DemoSummary> {
  const policy = await readPolicy(policyFile);
  const jobs = await readJobs(config);

  await using undo = new AsyncDisposableStack();
  const atTheEnd = (work: () => Promise<void>): void => {
    if (!config.keep) undo.defer(work);
  };
  const access: ClusterAccess = config.existing ?? { kubeconfig: place.kubeconfig };
  if (config.existing === undefined) {
    atTheEnd(() => bringDown(place));
    await bringDown(place); // What a demo that was killed, or kept, has left.
    await bringUp(place, (line) => view.say(line));
  }
  const installation = await installOperator(access, config.images);
  if (config.existing !== undefined) atTheEnd(() => installation.uninstall());
  view.say('the operator is ready');

  const kubectl = new Kubectl(access);
  const nats = undo.use(await reachNats(kubectl, namespace));
  const broker = undo.use(await openBroker(nats.url, policy));
  const jobLog = undo.use(await openJobStream(nats.url, `${policy.stream}_NOTES`, notesSubject));
  await installWorkers(access, config.images, policy);
  const proxy = undo.use(await kubectl.proxy());
  const { reports, look } = followPool(`http://127.0.0.1:${proxy.port}`, namespace, poolName, workerRelease);
  view.say(`the workers are installed in namespace ${namespace}`);

  const close = (): Promise<void> => Promise.resolve();
  const stage = { broker, jobLog, reports, look, close, floor: policy.minReplicas, slots: policy.slots };
  const summary = await play(jobs, stage, view, shutdown, clock);
  if (config.keep) view.say(`all of it is left; kubectl --kubeconfig=${access.kubeconfig} shows it`);
  return summary;
}
