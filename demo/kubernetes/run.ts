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
  keptNotice,
  namespace,
  notesSubject,
  planFootprint,
  poolName,
  uninstall,
  workerRelease,
} from './installation.ts';
import { followPool } from './poolReports.ts';

const place = placeOf('demo');

/**
 * The whole demo on a cluster, which is brought up for it unless one is named.
 *
 * @throws PenstockError `InvalidTrace` before anything starts; `PrerequisitesMissing`, `NamespaceTaken`, `ClusterFailed`,
 *   `ImageMissing`, `PublishFailed`, `Interrupted` later.
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
  const access = config.existing ?? (await bringUpOwn(config, undo, view));
  const footprint = await planFootprint(access);
  if (config.keep) undo.defer(() => view.say(keptNotice(config.existing, footprint)));
  else if (config.existing !== undefined) undo.defer(() => uninstall(access, footprint));
  view.say(`installing a NATS server and the operator in namespace ${namespace}`);
  await installOperator(access, config.images, footprint);
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
  return await play(jobs, stage, view, shutdown, clock);
}

async function bringUpOwn(
  { keep }: KubernetesDemoConfig,
  undo: AsyncDisposableStack,
  view: View,
): Promise<ClusterAccess> {
  if (!keep) undo.defer(() => bringDown(place));
  await bringDown(place); // What a demo that was killed, or kept, has left.
  await bringUp(place, (line) => view.say(line));
  return { kubeconfig: place.kubeconfig };
}
