import type { Chart, Values } from '../builders/chart.ts';
import { Kubectl } from '../tools/kubectl.ts';
import { images } from './images.ts';
import { placeOf } from './place.ts';

export const suitePlace = placeOf('test');
const { kubeconfig } = suitePlace;
export const kubectl = new Kubectl({ kubeconfig });

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
