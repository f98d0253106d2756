import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { definitions } from '#crds/definitions.ts';
import { lint, render } from '../builders/chart.ts';
import type { Chart, Manifest, Values } from '../builders/chart.ts';
import { fromRoot } from '../builders/program.ts';
import { operatorCombinations, workerCombinations, workerValues } from './values.ts';

const combinations: readonly (readonly [Chart, string, Values])[] = [
  ...Object.entries(operatorCombinations).map(([name, values]) => ['penstock', name, values] as const),
  ...Object.entries(workerCombinations).map(([name, values]) => ['penstock-worker', name, values] as const),
];

test.each(combinations)('%s has no mistake that helm can see with %s', async (chart, _, values) => {
  await expect(lint(chart, values)).resolves.toBeUndefined();
});

const refused: Readonly<Record<string, { chart: Chart; values: Values; message: RegExp }>> = {
  'a field that does not exist': {
    chart: 'penstock',
    values: { replicas: 3 },
    message: /additional properties 'replicas' not allowed/,
  },
  'a namespace that cannot be one': {
    chart: 'penstock',
    values: { namespaces: ['Media'] },
    message: /'\/namespaces\/0': 'Media' does not match pattern/,
  },
  'a target that is no resource': {
    chart: 'penstock',
    values: { rbac: { scaleTargets: [{ apiGroup: 'apps', resource: '*' }] } },
    message: /'\/rbac\/scaleTargets\/0\/resource': '\*' does not match pattern/,
  },
  'a worker without stream': {
    chart: 'penstock-worker',
    values: { ...workerValues, stream: '' },
    message: /'\/stream'/,
  },
  'a grace period that ends jobs in the middle': {
    chart: 'penstock-worker',
    values: { ...workerValues, jobTimeoutSeconds: 300 },
    message: /terminationGracePeriodSeconds is 75, and must be at least 310/,
  },
  'a handler that is neither path nor address': {
    chart: 'penstock-worker',
    values: { ...workerValues, handler: 'resize' },
    message: /'\/handler'.* does not match pattern/,
  },
  'arguments for what takes none': {
    chart: 'penstock-worker',
    values: { ...workerValues, handlerArgs: ['--fast'] },
    message: /handlerArgs are for programs \(exec:\/PATH\); handler is \/app\/handler\.mjs/,
  },
  'bounds in the wrong order': {
    chart: 'penstock-worker',
    values: { ...workerValues, pool: { minReplicas: 5, maxReplicas: 4 } },
    message: /pool\.minReplicas is 5, and must be at most pool\.maxReplicas \(4\)/,
  },
  'credentials in an address': {
    chart: 'penstock-worker',
    values: { ...workerValues, nats: { servers: ['nats://me:secret@nats:4222'] } },
    message: /'\/nats\/servers\/0'.* does not match pattern/,
  },
  'a login without secret': {
    chart: 'penstock-worker',
    values: { ...workerValues, nats: { token: { key: 'token' } } },
    message: /'\/nats\/token'/,
  },
  'a certificate without its key': {
    chart: 'penstock-worker',
    values: { ...workerValues, nats: { tls: { secretName: 'tls', certKey: 'tls.crt' } } },
    message: /'\/nats\/tls'.*'keyKey'/,
  },
  'two logins at once': {
    chart: 'penstock-worker',
    values: { ...workerValues, nats: { token: { secretName: 'a' }, nkey: { secretName: 'b' } } },
    message: /only one of nats\.credentials, nkey, token and userPassword/,
  },
};
test.each(Object.entries(refused))('%s is refused, and named', async (_, { chart, values, message }) => {
  await expect(render(chart, values)).rejects.toThrow(message);
});

const kinds = (manifests: readonly Manifest[], kind: string): Manifest[] =>
  manifests.filter((manifest) => manifest.kind === kind);

describe('the operator', () => {
  test('gets no rights beyond named namespaces', async () => {
    const manifests = await render('penstock', { namespaces: ['media', 'mail'] }, 'system');
    expect(kinds(manifests, 'ClusterRole')).toEqual([]);
    expect(kinds(manifests, 'ClusterRoleBinding')).toEqual([]);
    const places = kinds(manifests, 'Role').map(({ metadata }) => metadata.namespace);
    expect(places.sort()).toEqual(['mail', 'media', 'system']);
  });

  test('may read no secret that is not named', async () => {
    const manifests = await render('penstock', operatorCombinations['named namespaces, and secrets'] ?? {});
    const rules = [...kinds(manifests, 'Role'), ...kinds(manifests, 'ClusterRole')].flatMap(
      (role) => role['rules'] as { resources: string[]; verbs: string[]; resourceNames?: string[] }[],
    );
    expect(rules.filter(({ resources }) => resources.includes('secrets'))).toEqual([
      { apiGroups: [''], resources: ['secrets'], verbs: ['get'], resourceNames: ['nats'] },
    ]);
  });

  test('brings the resource definitions as they are generated, to be kept at uninstall', async () => {
    const copies = fromRoot('charts/penstock/files/crds');
    expect(readdirSync(copies)).toHaveLength(definitions().length);
    const rendered = kinds(await render('penstock', {}), 'CustomResourceDefinition');
    for (const definition of definitions()) {
      const file = `${definition.metadata.name}.yaml`;
      expect(readFileSync(`${copies}/${file}`, 'utf8')).toBe(readFileSync(fromRoot(`crds/${file}`), 'utf8'));
      const found = rendered.find(({ metadata }) => metadata.name === definition.metadata.name);
      expect(found?.['spec']).toEqual(JSON.parse(JSON.stringify(definition.spec)));
      expect(found?.metadata).toMatchObject({ annotations: { 'helm.sh/resource-policy': 'keep' } });
    }
  });
});

describe('the worker', () => {
  test('has replicas only when no pool owns them', async () => {
    const [scaled] = kinds(await render('penstock-worker', workerValues), 'Deployment');
    expect(scaled?.['spec']).not.toHaveProperty('replicas');
    const fixed = await render('penstock-worker', { ...workerValues, pool: { enabled: false }, replicas: 3 });
    expect(kinds(fixed, 'Deployment')).toMatchObject([{ spec: { replicas: 3 } }]);
    expect(kinds(fixed, 'WorkerPool')).toEqual([]);
  });

  test('has its server beside it for longer than itself', async () => {
    const [deployment] = kinds(
      await render('penstock-worker', {
        ...workerValues,
        handler: 'http://127.0.0.1:8081/jobs',
        sidecars: [{ name: 'handler', image: 'example.org/handler:1' }],
      }),
      'Deployment',
    );
    expect(deployment).toMatchObject({
      spec: {
        template: {
          spec: {
            initContainers: [{ name: 'handler', image: 'example.org/handler:1', restartPolicy: 'Always' }],
            containers: [{ name: 'worker', args: ['http://127.0.0.1:8081/jobs'] }],
          },
        },
      },
    });
  });

  test('runs a program with its arguments', async () => {
    const values = { ...workerValues, handler: 'exec:/app/resize', handlerArgs: ['--width', '200'] };
    const [deployment] = kinds(await render('penstock-worker', values), 'Deployment');
    expect(deployment).toMatchObject({
      spec: { template: { spec: { containers: [{ args: ['exec:/app/resize', '--width', '200'] }] } } },
    });
  });
});
