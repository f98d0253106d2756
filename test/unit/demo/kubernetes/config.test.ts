import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { parseKubernetesConfig } from '../../../../demo/kubernetes/config.ts';
import { images } from '../../../cluster/images.ts';

const cluster = [
  '--context',
  'kind-kind',
  '--operator-image',
  'an/operator:1',
  '--worker-image',
  'a/worker:1',
];
const written: string[] = [];

beforeEach(() => {
  written.length = 0;
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => written.push(String(text)) > 0);
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

test('without arguments a cluster of its own is brought up, with the images that it builds, and taken down', () => {
  const { operator, demo, nats } = images;
  expect(parseKubernetesConfig([])).toMatchObject({
    existing: undefined,
    images: { operator, worker: demo, nats },
    keep: false,
    seconds: 90,
  });
});

test('a cluster of the caller is found by the context, in the kubeconfig that kubectl would take', () => {
  vi.stubEnv('KUBECONFIG', '/etc/demo/kubeconfig');
  expect(parseKubernetesConfig([...cluster, '--keep'])).toMatchObject({
    existing: { kubeconfig: '/etc/demo/kubeconfig', context: 'kind-kind' },
    images: { operator: 'an/operator:1', worker: 'a/worker:1', nats: 'nats:2.12' },
    keep: true,
  });
});

test.each([
  ['no KUBECONFIG', undefined, /\/\.kube\/config$/],
  ['an empty one', '', /\/\.kube\/config$/],
  ['one with a separator at its end', '/a/config:', /^\/a\/config$/],
])('%s is taken as kubectl takes it', (_, value, file) => {
  vi.stubEnv('KUBECONFIG', value);
  expect(parseKubernetesConfig(cluster).existing?.kubeconfig).toMatch(file);
});

test.each([
  ['a context without images', ['--context', 'kind-kind'], '--operator-image and --worker-image'],
  ['images without a context', ['--nats-image', 'nats:2.12'], 'given with --context alone'],
  ['a kubeconfig of several files', cluster, 'KUBECONFIG=/a:/b names several files'],
])('%s is refused with the remedy', (_, args, message) => {
  vi.stubEnv('KUBECONFIG', '/a:/b');
  expect(() => parseKubernetesConfig(args)).toThrow(expect.objectContaining({ exitCode: 1 }));
  expect(written.join('')).toContain(message);
});
