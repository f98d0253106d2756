import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { createLogger } from '#common/log.ts';
import { Api } from '../../../operator/platform/kubernetes/api.ts';
import { ResourceCache } from '../../../operator/platform/kubernetes/resourceCache.ts';
import type { Metadata, WatchTimes } from '../../../operator/platform/kubernetes/resourceCache.ts';
import { Transport } from '../../../operator/platform/kubernetes/transport.ts';
import { createNamespace, merge, must } from '../../builders/kubernetesRig.ts';
import { until } from '../../builders/until.ts';
import { startApiServer } from '../../tools/apiServer.ts';
import { kubeconfig } from '../../tools/controlPlane.ts';
import type { ApiServer } from '../../tools/apiServer.ts';
import { startTcpProxy } from '../../tools/tcpProxy.ts';

const tools = { clock: systemClock, log: createLogger('test', 'silent'), random: () => 0 };

function transportTo(config: string): Transport {
  const client = new KubeConfig();
  client.loadFromString(config);
  return new Transport(client);
}

type Names = { readonly names: () => string[]; readonly cache: ResourceCache<string> } & AsyncDisposable;

/** The names of a collection's objects, as the cache has them. */
function watch(api: Api, path: string, times?: WatchTimes): Names {
  const options = { path, read: (_: unknown, { name }: Metadata) => name };
  const cache = new ResourceCache<string>(
    api,
    times === undefined ? options : { ...options, watch: times },
    tools,
  );
  const stop = new AbortController();
  const running = cache.run(stop.signal);
  return {
    cache,
    names: () => [...cache.values()].sort(),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

describe('on a real API server', () => {
  let server: ApiServer;
  beforeAll(async () => {
    server = await startApiServer({ controllers: false });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const addConfigMap = (namespace: string, name: string): Promise<unknown> =>
    must(server, 'POST', `/api/v1/namespaces/${namespace}/configmaps`, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name },
    });

  test('a connection that died unnoticed is left for another one', async () => {
    await using proxy = await startTcpProxy(Number(new URL(server.url).port));
    await using transport = transportTo(
      kubeconfig(`https://127.0.0.1:${proxy.port}`, await server.certificate(), server.tokens.admin),
    );
    const api = new Api(transport);
    await api.call('GET', '/version');
    expect(proxy.silence()).toBeGreaterThan(0);
    const before = proxy.connections();
    await expect(api.call('GET', '/version', { timeoutMs: 300 })).rejects.toMatchObject({
      reason: 'Timeout',
    });
    expect(await api.call('GET', '/version')).toHaveProperty('gitVersion');
    expect(proxy.connections()).toBeGreaterThan(before);
  });

  test('a collection of more than one page is complete, and stays so', async () => {
    const namespace = await createNamespace(server);
    const wanted = Array.from({ length: 1_003 }, (_, index) => `c-${`${index}`.padStart(4, '0')}`);
    const rest = wanted.values();
    const add = async (): Promise<void> => {
      for (const name of rest) await addConfigMap(namespace, name);
    };
    await Promise.all(Array.from({ length: 16 }, add));
    await using transport = transportTo(
      kubeconfig(server.url, await server.certificate(), server.tokens.admin),
    );
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    await using seen = watch(new Api(transport), path);
    await seen.cache.tried;
    expect(seen.names()).toEqual(wanted);
    await must(server, 'DELETE', `${path}/c-0500`);
    await addConfigMap(namespace, 'late');
    await until('both changes', () => seen.names().includes('late') && !seen.names().includes('c-0500'));
    expect(seen.names()).toHaveLength(1_003);
  });

  test('a watch that falls silent is given up, and what it has not told is seen after it', async () => {
    const namespace = await createNamespace(server);
    await using proxy = await startTcpProxy(Number(new URL(server.url).port));
    await using transport = transportTo(
      kubeconfig(`https://127.0.0.1:${proxy.port}`, await server.certificate(), server.tokens.admin),
    );
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const brief = { seconds: { atLeast: 3, spread: 0 }, deadAfterMs: 500 };
    await using seen = watch(new Api(transport), path, brief);
    await addConfigMap(namespace, 'before');
    await until('what the watch tells', () => seen.names().includes('before'));
    const { connections } = proxy;
    const asked = connections();
    expect(proxy.silence()).toBeGreaterThan(0);
    await addConfigMap(namespace, 'meanwhile');
    await until('the silence to show', () => (seen.cache.ageMs ?? 0) > 1_000);
    expect(seen.names()).not.toContain('meanwhile');
    await until('what came meanwhile', () => seen.names().includes('meanwhile'));
    expect(connections()).toBeGreaterThan(asked);
  });

  test('a right to watch that is taken away is missed at the next watch, until it is given again', async () => {
    const namespace = await createNamespace(server);
    const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
    const apiGroup = 'rbac.authorization.k8s.io';
    const rules = (...verbs: readonly string[]): unknown => [
      { apiGroups: [''], resources: ['configmaps'], verbs },
    ];
    await must(server, 'POST', `${rbac}/roles`, {
      metadata: { name: 'sight' },
      rules: rules('list', 'watch'),
    });
    await must(server, 'POST', `${rbac}/rolebindings`, {
      metadata: { name: 'sight' },
      roleRef: { apiGroup, kind: 'Role', name: 'sight' },
      subjects: [{ apiGroup, kind: 'User', name: 'operator' }],
    });
    await using transport = transportTo(
      kubeconfig(server.url, await server.certificate(), server.tokens.operator),
    );
    const brief = { seconds: { atLeast: 2, spread: 0 }, deadAfterMs: 5_000 };
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    await using seen = watch(new Api(transport), path, brief);
    await until('all to be well', () => seen.cache.problem === undefined);
    await must(server, 'PATCH', `${rbac}/roles/sight`, { rules: rules('list') }, merge);
    await until('the right to be missed', () => seen.cache.problem?.isForbidden);
    expect(seen.cache.problem?.message).toMatch(/cannot watch resource "configmaps"/);
    await addConfigMap(namespace, 'meanwhile');
    await must(server, 'PATCH', `${rbac}/roles/sight`, { rules: rules('list', 'watch') }, merge);
    await until('all to be well again', () => seen.cache.problem === undefined);
    expect(seen.names()).toContain('meanwhile');
  });

  test('an API server that is away for a while costs nothing but the time', async () => {
    await using own = await startApiServer({ controllers: false });
    const namespace = await createNamespace(own);
    await using transport = transportTo(kubeconfig(own.url, await own.certificate(), own.tokens.admin));
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    await using seen = watch(new Api(transport), path);
    await seen.cache.tried;
    await own.process.signal('SIGSTOP');
    await until('the loss to be noticed by its age', () => (seen.cache.ageMs ?? 0) > 3_000);
    await own.process.signal('SIGKILL');
    await until('the loss to be noticed', () => seen.cache.lastError !== undefined);
    await own.process.start();
    await must(own, 'POST', path, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'after' } });
    await until('what came after', () => seen.names().includes('after'), 90_000);
  });
});

type Answer = (request: IncomingMessage, response: ServerResponse, asked: number) => void;

/** A server that answers as it is told; lists and watches are counted. */
async function startFake(answer: Answer): Promise<AsyncDisposable & { url: string; asked: () => number }> {
  let asked = 0;
  const http = createServer((request, response) => {
    asked += 1;
    answer(request, response, asked);
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    asked: () => asked,
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

const list = (version: string, ...names: readonly string[]): string =>
  JSON.stringify({
    metadata: { resourceVersion: version },
    items: names.map((name) => ({
      metadata: { name, namespace: 'media', uid: name, resourceVersion: version },
    })),
  });
/** To a server without TLS. */
function transportToFake(server: string): Transport {
  const client = new KubeConfig();
  client.loadFromClusterAndUser(
    { name: 'fake', server, skipTLSVerify: true },
    { name: 'fake', token: 'token' },
  );
  return new Transport(client);
}

const isWatch = (request: IncomingMessage): boolean => request.url?.includes('watch=true') === true;
const versionOf = (request: IncomingMessage): string | null =>
  new URL(request.url ?? '', 'http://x').searchParams.get('resourceVersion');

describe('when the server will not go on', () => {
  const expiries: Record<string, (response: ServerResponse) => void> = {
    'says 410 to the watch': (response) =>
      void response.writeHead(410).end(JSON.stringify({ reason: 'Expired', message: 'too old', code: 410 })),
    'says 410 within the watch': (response) =>
      void response
        .writeHead(200)
        .end(`${JSON.stringify({ type: 'ERROR', object: { code: 410, reason: 'Expired' } })}\n`),
    'sends a line that is no event': (response) => void response.writeHead(200).end('{"type":\n'),
  };
  test.each(Object.entries(expiries))('a server that %s is asked for a new list', async (_, expire) => {
    let lists = 0;
    await using fake = await startFake((request, response) => {
      if (!isWatch(request)) {
        lists += 1;
        response.end(lists === 1 ? list('1', 'old') : list('9', 'new'));
      } else if (versionOf(request) === '1') expire(response);
      else response.writeHead(200).flushHeaders(); // Quiet from here on.
    });
    await using transport = transportToFake(fake.url);
    await using seen = watch(new Api(transport), '/api/v1/things');
    await until('the new list', () => seen.names().join() === 'new');
    expect(lists).toBe(2);
  });

  const no = (response: ServerResponse, status: number, reason: string): void =>
    void response.writeHead(status).end(JSON.stringify({ reason, message: reason, code: status }));

  test('with the right to list but not to watch nothing is known, from the first refusal on', async () => {
    const problems = new Set<unknown>();
    let lists = 0;
    const ages: unknown[] = [];
    await using fake = await startFake((request, response) => {
      if (isWatch(request)) {
        // A list has just come: this is when it looked as if all were well.
        if (lists > 1) {
          ages.push(seen.cache.ageMs);
          problems.add(seen.cache.problem?.isForbidden);
        }
        no(response, 403, 'Forbidden');
      } else {
        lists += 1;
        response.end(list('1', 'listed'));
      }
    });
    await using transport = transportToFake(fake.url);
    await using seen = watch(new Api(transport), '/api/v1/things');
    await until('two more watches', () => ages.length >= 2);
    expect(new Set(ages)).toEqual(new Set([undefined]));
    expect(problems).toEqual(new Set([true]));
  });

  test('a right that is missing is not blamed for what fails after it', async () => {
    let answer: (response: ServerResponse) => void = (response) => no(response, 403, 'Forbidden');
    await using fake = await startFake((request, response) => {
      if (isWatch(request)) response.writeHead(200).flushHeaders();
      else answer(response);
    });
    await using transport = transportToFake(fake.url);
    await using seen = watch(new Api(transport), '/api/v1/things');
    expect(seen.cache.problem).toEqual({ message: 'not listed yet', isForbidden: false });
    await until('the right to be missed', () => seen.cache.problem?.isForbidden);
    answer = (response) => no(response, 500, 'InternalError');
    await until('the other reason', () => seen.cache.problem?.message.includes('InternalError'));
    expect(seen.cache.problem?.isForbidden).toBe(false);
    answer = (response) => void response.end(list('1', 'listed'));
    await until('nothing to be wrong', () => seen.cache.problem === undefined);
    expect(seen.cache.ageMs).toBeDefined();
  });

  const refusals: Record<string, { status: number; headers: Record<string, string> }> = {
    'too many requests, with the time to wait': {
      status: 429,
      headers: { 'retry-after': '1' },
    },
    'an error of its own': { status: 500, headers: {} },
    'a conflict': { status: 409, headers: {} },
  };
  test.each(Object.entries(refusals))('%s is told, and asked again', async (_, { status, headers }) => {
    const askedAtMs: number[] = [];
    await using fake = await startFake((request, response, asked) => {
      askedAtMs.push(performance.now());
      if (asked === 1) response.writeHead(status, headers).end('no');
      else if (isWatch(request)) response.writeHead(200).flushHeaders();
      else response.end(list('1', 'late'));
    });
    await using transport = transportToFake(fake.url);
    const api = new Api(transport);
    await using seen = watch(api, '/api/v1/things');
    await seen.cache.tried;
    expect(seen.cache.lastError).toMatch(/GET \/api\/v1\/things/);
    await until('the list', () => seen.names().join() === 'late');
    const waitedMs = (askedAtMs[1] ?? 0) - (askedAtMs[0] ?? 0);
    expect(waitedMs).toBeGreaterThanOrEqual(Number(headers['retry-after'] ?? 0) * 1_000);
  });
});
