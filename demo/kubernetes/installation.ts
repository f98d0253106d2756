import { PenstockError, describeError } from '#common/errors.ts';
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

/** What the demo makes of things that belong to no namespace, as kubectl names them; all else goes with these. */
export type Footprint = readonly string[];

/**
 * Looks at the cluster before anything is installed: the namespace, and the definitions unless they are there already.
 *
 * @throws PenstockError `NamespaceTaken`: it would go at the end, with all that is in it.
 */
export async function planFootprint(access: ClusterAccess): Promise<Footprint> {
  const found = await new Kubectl(access).run([
    ...['get', `namespace/${namespace}`, ...definitions, '--ignore-not-found', '--output=name'],
  ]);
  const names = found.split('\n').filter((name) => name !== '');
  if (names.includes(`namespace/${namespace}`)) {
    throw new PenstockError(
      'NamespaceTaken',
      `the cluster has a namespace ${namespace} already, which a demo with --keep has left or somebody else has made; ` +
        `when nothing in it is needed: ${kubectlLine(access)} delete namespace ${namespace}`,
    );
  }
  return names.length === 0 ? [`namespace/${namespace}`, ...definitions] : [`namespace/${namespace}`];
}

/**
 * A NATS server and the operator, which works in this namespace alone.
 *
 * @throws PenstockError `ClusterFailed`, with what the pods wait for.
 */
export async function installOperator(
  access: ClusterAccess,
  images: DemoImages,
  footprint: Footprint,
): Promise<void> {
  const kubectl = new Kubectl(access);
  const values = {
    image: imageValues(images.operator),
    namespaces: [namespace],
    crds: { install: definitions.every((name) => footprint.includes(name)) },
  };
  try {
    await installNats(kubectl, { namespace, image: images.nats });
    await release('install', operatorRelease, { ...access, namespace }, { chart: 'penstock', values });
    await kubectl.run([
      ...['rollout', 'status', `deployment/${operatorRelease}`, `--namespace=${namespace}`, '--timeout=180s'],
    ]);
  } catch (error) {
    const reasons = await waitingReasons(kubectl).catch(describeError);
    throw new PenstockError('ClusterFailed', `${describeError(error)}${reasons}`, { cause: error });
  }
}

/** One line per container that cannot start. */
async function waitingReasons(kubectl: Kubectl): Promise<string> {
  const path = '{range .items[*].status.containerStatuses[*]}{.state.waiting.message}{"\\n"}{end}';
  const found = await kubectl.run(['get', 'pods', `--namespace=${namespace}`, `--output=jsonpath=${path}`]);
  return [...new Set(found.split('\n'))].map((line) => (line === '' ? '' : `\n${line}`)).join('');
}

export async function uninstall(access: ClusterAccess, footprint: Footprint): Promise<void> {
  await new Kubectl(access).run(['delete', ...footprint, '--ignore-not-found']);
}

/** For whoever has kept it: where it is, and how it goes. */
export function keptNotice(existing: ClusterAccess | undefined, footprint: Footprint): string {
  const own = 'npm run cluster -- --name demo';
  const kubectl = existing === undefined ? `${own} kubectl` : kubectlLine(existing);
  const removal = existing === undefined ? `${own} down` : `${kubectl} delete ${footprint.join(' ')}`;
  return [
    'all of it is left',
    `  to see it:       ${kubectl} --namespace=${namespace} get all`,
    `  to take it away: ${removal}`,
  ].join('\n');
}

const kubectlLine = ({ kubeconfig, context }: ClusterAccess): string =>
  ['kubectl', `--kubeconfig=${kubeconfig}`, ...(context === undefined ? [] : [`--context=${context}`])].join(
    ' ',
  );

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
