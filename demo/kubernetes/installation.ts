import { release } from '../../test/builders/chart.ts';
import { installNats, natsUrl } from '../../test/cluster/nats.ts';
import { Kubectl } from '../../test/tools/kubectl.ts';
import type { ClusterAccess } from '../../test/tools/kubectl.ts';
import type { DemoPolicy } from '../policy.ts';
import type { DemoImages } from './config.ts';

export const namespace = 'penstock-demo';
/** Of the workers' release. */
export const workerRelease = 'tokens';
/** Of the Deployment and the WorkerPool that it makes. */
export const poolName = `${workerRelease}-penstock-worker`;
export const notesSubject = 'notes';

const operatorRelease = 'penstock';
const definitions = ['workerpools.penstock.dev', 'natsconnections.penstock.dev'].map(
  (name) => `customresourcedefinition/${name}`,
);

export type Installation = {
  /** Takes away what was installed, the definitions too unless they had been there. */
  uninstall(): Promise<void>;
};

/** A NATS server and the operator, which works in this namespace alone. */
export async function installOperator(access: ClusterAccess, images: DemoImages): Promise<Installation> {
  const kubectl = new Kubectl(access);
  const found = await kubectl.run(['get', ...definitions, '--ignore-not-found', '--output=name']);
  const hasDefinitions = found.trim() !== '';
  await installNats(kubectl, { namespace, image: images.nats });
  const values = {
    image: imageValues(images.operator),
    namespaces: [namespace],
    crds: { install: !hasDefinitions },
  };
  await release('install', operatorRelease, { ...access, namespace }, { chart: 'penstock', values });
  await kubectl.run([
    ...['rollout', 'status', `deployment/${operatorRelease}`, `--namespace=${namespace}`, '--timeout=180s'],
  ]);
  return {
    async uninstall() {
      await release('uninstall', operatorRelease, { ...access, namespace });
      await kubectl.run(['delete', 'namespace', namespace]);
      if (!hasDefinitions) await kubectl.run(['delete', ...definitions]);
    },
  };
}

/** The worker chart, with the policy of the local demo. */
export async function installWorkers(
  access: ClusterAccess,
  images: DemoImages,
  policy: DemoPolicy,
): Promise<void> {
  const { stream, consumer, slots, minReplicas, maxReplicas, aims, deadLetterStream } = policy;
  const values = {
    image: imageValues(images.worker),
    stream,
    consumer,
    slots,
    nats: { servers: [natsUrl(namespace)] },
    settings: { PENSTOCK_DEMO_LOG_SUBJECT: notesSubject, PENSTOCK_DEAD_LETTER_STREAM: deadLetterStream },
    resources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '256Mi' } },
    pool: { minReplicas, maxReplicas, spec: aims },
  };
  await release('install', workerRelease, { ...access, namespace }, { chart: 'penstock-worker', values });
}

/** The tag is what follows the last colon of the last part; a registry may have a port. */
function imageValues(image: string): { repository: string; tag: string } {
  const at = image.lastIndexOf(':');
  return at > image.lastIndexOf('/')
    ? { repository: image.slice(0, at), tag: image.slice(at + 1) }
    : { repository: image, tag: 'latest' };
}
