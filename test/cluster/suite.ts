import type { Chart, Values } from '../builders/chart.ts';
import { Kubectl } from '../tools/kubectl.ts';
import { images } from './images.ts';
import { must } from '../builders/kubernetesRig.ts';
import { connectTo } from './access.ts';
import { placeOf } from './place.ts';

/** Where the server is that all stories use. */
export const natsNamespace = 'nats';
export const suitePlace = placeOf('test');
const { kubeconfig } = suitePlace;
export const kubectl = new Kubectl({ kubeconfig });

/** The API server, for what is looked at again and again: a request costs a hundredth of a kubectl. */
export const kubernetes = {
  /** @returns the object or list at a path, of whose shape the caller is sure. */
  async get<T>(path: string): Promise<T> {
    return (await must(connectTo(suitePlace), 'GET', path)) as T;
  },
};

export type Release = {
  readonly at: { readonly kubeconfig: string; readonly namespace: string };
  readonly what: { readonly chart: Chart; readonly values: Values };
};

/** The operator as it is installed for the suite, with everything on that the chart has. */
export const operatorRelease: Release = {
  at: { kubeconfig, namespace: 'penstock' },
  what: {
    chart: 'penstock',
    values: {
      image: imageValues(images.operator),
      networkPolicy: { enabled: true },
      serviceMonitor: { enabled: true },
      prometheusRule: { enabled: true },
    },
  },
};

/** What was imported cannot be pulled. */
export function imageValues(image: string): Values {
  const [repository, tag] = image.split(':');
  return { repository, tag, pullPolicy: 'Never' };
}
