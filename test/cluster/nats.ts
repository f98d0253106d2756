import type { Kubectl } from '../tools/kubectl.ts';

const name = 'nats';
const labels = { app: name };
const port = 4_222;

/** As pods reach the server of `installNats`. */
export const natsUrl = (namespace: string): string => `nats://${name}.${namespace}.svc:${port}`;

/** A nats-server with JetStream, in a namespace that is made for it; its storage lasts as long as its pod. */
export async function installNats(
  kubectl: Kubectl,
  { namespace, image }: { readonly namespace: string; readonly image: string },
): Promise<void> {
  const metadata = { name, namespace };
  await kubectl.apply(
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: labels, ports: [{ port }] } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            containers: [
              {
                name,
                image,
                imagePullPolicy: 'IfNotPresent',
                args: ['-js', '-sd', '/data', '-m', '8222'],
                readinessProbe: { httpGet: { path: '/healthz', port: 8_222 }, periodSeconds: 1 },
                volumeMounts: [{ name: 'data', mountPath: '/data' }],
              },
            ],
            securityContext: { fsGroup: 65_532 },
            volumes: [{ name: 'data', emptyDir: {} }],
          },
        },
      },
    },
  );
  await kubectl.run([
    `--namespace=${namespace}`,
    'rollout',
    'status',
    `deployment/${name}`,
    '--timeout=120s',
  ]);
}

/** The server's address on this machine, until disposal. */
export async function reachNats(
  kubectl: Kubectl,
  namespace: string,
): Promise<AsyncDisposable & { readonly url: string }> {
  const forward = await kubectl.forward(namespace, `deployment/${name}`, port);
  return {
    url: `nats://127.0.0.1:${forward.port}`,
    [Symbol.asyncDispose]: () => forward[Symbol.asyncDispose](),
  };
}
