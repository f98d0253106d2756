/**
 * Real nats-server processes for tests, benchmarks and the demo: JetStream on, a free loopback port, a temporary
 * store. Everything is gone after disposal, also when the test failed; a process that dies takes its servers along.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { at, freePorts, programPath, serverProcess } from './serverProcess.ts';
import type { ServerProcess } from './serverProcess.ts';

export type NatsServer = ServerProcess & {
  readonly name: string;
  readonly port: number;
  readonly url: string;
  /** Of its monitoring pages, e.g. `/jsz` under it. */
  readonly monitorUrl: string;
};

export type NatsServerOptions = {
  /** Take this port instead of a free one. */
  readonly port?: number;
  /** Further command line arguments. */
  readonly args?: readonly string[];
  /** Out of reach of a Ctrl-C at the terminal, for programs that end things in their own order. Default false. */
  readonly ownProcessGroup?: boolean;
};

export async function startNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const ports = await freePorts(2);
  const server = await createNatsServer({
    name: 'nats',
    port: options.port ?? at(ports, 0),
    monitorPort: at(ports, 1),
    args: options.args ?? [],
    ownProcessGroup: options.ownProcessGroup ?? false,
  });
  await server.start();
  return server;
}

export type NatsCluster = AsyncDisposable & {
  readonly servers: readonly NatsServer[];
  /** All addresses, comma-separated, as NATS_URL wants them. */
  readonly url: string;
};

/** Servers joined by routes, for replicated streams and consumers. */
export async function startNatsCluster(size = 3): Promise<NatsCluster> {
  const ports = await freePorts(3 * size);
  const routePorts = ports.slice(2 * size);
  const routes = routePorts.map((port) => `nats://127.0.0.1:${port}`).join(',');
  const servers = await Promise.all(
    routePorts.map((routePort, index) =>
      createNatsServer({
        name: `nats-${index + 1}`,
        port: at(ports, index),
        monitorPort: at(ports, size + index),
        args: [
          ...['--cluster_name', 'penstock-test'],
          ...['--cluster', `nats://127.0.0.1:${routePort}`],
          ...['--routes', routes],
        ],
        ownProcessGroup: false,
      }),
    ),
  );
  await Promise.all(servers.map((server) => server.start()));
  return {
    servers,
    url: servers.map((server) => server.url).join(','),
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
    },
  };
}

async function createNatsServer(options: {
  name: string;
  port: number;
  monitorPort: number;
  args: readonly string[];
  ownProcessGroup: boolean;
}): Promise<NatsServer> {
  const { name, port, monitorPort, args, ownProcessGroup } = options;
  const program = programPath('PENSTOCK_NATS_SERVER');
  const storeDir = await mkdtemp(join(tmpdir(), 'penstock-nats-'));
  const server = serverProcess({
    name,
    program,
    args: [
      ...['-a', '127.0.0.1', '-p', `${port}`, '-m', `${monitorPort}`],
      ...['-n', name, '-js', '-sd', storeDir, ...args],
    ],
    ownProcessGroup,
    isReady: async () => (await fetch(`http://127.0.0.1:${monitorPort}/healthz?js-enabled-only=true`)).ok,
  });
  return {
    ...server,
    name,
    port,
    url: `nats://127.0.0.1:${port}`,
    monitorUrl: `http://127.0.0.1:${monitorPort}`,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await rm(storeDir, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}
