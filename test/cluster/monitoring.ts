import type { Kubectl } from '../tools/kubectl.ts';

const group = 'monitoring.coreos.com';
const kinds = ['ServiceMonitor', 'PodMonitor', 'PrometheusRule'] as const;

/** Stand-ins for the definitions of the Prometheus operator, so that the charts' objects of these kinds are accepted. */
export async function installMonitoringKinds(kubectl: Kubectl): Promise<void> {
  await kubectl.apply(...kinds.map(definition));
  await kubectl.run([
    ...['wait', '--for=condition=Established', '--timeout=60s'],
    ...kinds.map((kind) => `customresourcedefinition/${plural(kind)}.${group}`),
  ]);
}

const plural = (kind: string): string => `${kind.toLowerCase()}s`;

const definition = (kind: string): unknown => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${plural(kind)}.${group}` },
  spec: {
    group,
    scope: 'Namespaced',
    names: { kind, plural: plural(kind), singular: kind.toLowerCase() },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
});
