/**
 * Real nats-server processes for tests, benchmarks and the demo: JetStream on, a free loopback port, a temporary
 * store. Everything is gone after disposal, also when the test failed; a process that dies takes its servers along.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type NatsServer = AsyncDisposable & {
  readonly name: string;
  readonly port: number;
  readonly url: string;
  readonly pid: () => number;
  /** Sends a signal and, for those that end it, waits for the end. */
  signal(signal: 'SIGTERM' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>;
  /** Starts it again on the same port and store, and waits until JetStream answers. */
  start(): Promise<void>;
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
  const server = createServerHandle(
    'nats',
    options.port ?? (await freePort()),
    await freePort(),
    options.args ?? [],
    options.ownProcessGroup ?? false,
  );
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
  const clientPorts = ports.slice(0, size);
  const monitorPorts = ports.slice(size, 2 * size);
  const routePorts = ports.slice(2 * size);
  const routes = routePorts.map((port) => `nats://127.0.0.1:${port}`).join(',');
  const servers = clientPorts.map((port, index) =>
    createServerHandle(`nats-${index + 1}`, port, at(monitorPorts, index), [
      '--cluster_name',
      'penstock-test',
      '--cluster',
      `nats://127.0.0.1:${at(routePorts, index)}`,
      '--routes',
      routes,
    ]),
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

function createServerHandle(
  name: string,
  port: number,
  monitorPort: number,
  extra: readonly string[],
  detached = false,
): NatsServer {
  let child: ChildProcess | undefined;
  let storeDir: string | undefined;

  const endWithParent = (): void => void child?.kill('SIGKILL');
  const ended = (process_: ChildProcess): Promise<unknown> =>
    process_.exitCode === null && process_.signalCode === null ? once(process_, 'exit') : Promise.resolve();

  const server: NatsServer = {
    name,
    port,
    url: `nats://127.0.0.1:${port}`,
    pid: () => {
      if (child?.pid === undefined) throw new Error(`${name} is not running`);
      return child.pid;
    },
    async start() {
      storeDir ??= await mkdtemp(join(tmpdir(), 'penstock-nats-'));
      const binary = process.env['PENSTOCK_NATS_SERVER'];
      if (binary === undefined) {
        throw new Error(
          'PENSTOCK_NATS_SERVER is not set: run through `npm test` or `npm run demo`, which build it.',
        );
      }
      const args = [
        '-a',
        '127.0.0.1',
        '-p',
        `${port}`,
        '-m',
        `${monitorPort}`,
        '-n',
        name,
        '-js',
        '-sd',
        storeDir,
      ];
      const started = spawn(binary, [...args, ...extra], {
        stdio: ['ignore', 'ignore', 'pipe'],
        detached,
      });
      child = started;
      process.once('exit', endWithParent);
      let output = '';
      started.stderr.on('data', (chunk: Buffer) => {
        output = (output + chunk.toString()).slice(-4_000);
      });
      const failure = new Promise<never>((_, reject) => {
        started.once('error', (error) => reject(new Error(`${binary} did not start`, { cause: error })));
        started.once('exit', (code) => reject(new Error(`${name} ended with ${code}:\n${output}`)));
      });
      failure.catch(() => undefined);
      await Promise.race([healthy(monitorPort), failure]);
    },
    async signal(signal) {
      const target = child;
      if (target === undefined) throw new Error(`${name} is not running`);
      target.kill(signal);
      if (signal === 'SIGKILL' || signal === 'SIGTERM') await ended(target);
    },
    async [Symbol.asyncDispose]() {
      process.off('exit', endWithParent);
      if (child !== undefined) {
        child.kill('SIGKILL');
        await ended(child);
      }
      if (storeDir !== undefined) await rm(storeDir, { recursive: true, force: true, maxRetries: 3 });
    },
  };
  return server;
}

async function healthy(monitorPort: number): Promise<void> {
  for (;;) {
    try {
      const response = await fetch(`http://127.0.0.1:${monitorPort}/healthz?js-enabled-only=true`);
      if (response.ok) return;
    } catch {
      // Not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export async function freePort(): Promise<number> {
  return at(await freePorts(1), 0);
}

/** Free ports, all different: held open together before any is given away. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function at<T>(list: readonly T[], index: number): T {
  const value = list[index];
  if (value === undefined) throw new Error(`no element ${index}`);
  return value;
}
