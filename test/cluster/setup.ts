/** One cluster for the whole suite, with a NATS server and the operator in it; gone afterwards, also after a failure. */
import { release } from '../builders/chart.ts';
import { bringDown, bringUp } from './cluster.ts';
import { images } from './images.ts';
import { kubectl, natsNamespace, operatorRelease, suitePlace } from './suite.ts';
import { installNats } from './nats.ts';
import { installMonitoringKinds } from './monitoring.ts';

export async function setup(): Promise<() => Promise<void>> {
  const say = (line: string): void => void process.stderr.write(`cluster: ${line}\n`);
  const teardown = (): Promise<void> => bringDown(suitePlace);
  // vitest ends at once when it is told to end.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void teardown().finally(() => process.kill(process.pid, signal)));
  }
  try {
    await teardown(); // What a suite that was killed has left.
    await bringUp(suitePlace, say);
    await installNats(kubectl, { namespace: natsNamespace, image: images.nats });
    await installMonitoringKinds(kubectl);
    await release('install', 'penstock', operatorRelease.at, operatorRelease.what);
    await kubectl.run(['--namespace=penstock', 'rollout', 'status', 'deployment/penstock', '--timeout=120s']);
    say('the operator is ready');
    return teardown;
  } catch (error) {
    await teardown();
    throw error;
  }
}
