import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

/** A server of a test: one process that can be killed and started again, and that never outlives us. */
export type ServerProcess = AsyncDisposable & {
  readonly pid: () => number;
  /** Starts it, and waits until it is ready. */
  start(): Promise<void>;
  /** Sends a signal and, for those that end it, waits for the end. */
  signal(signal: 'SIGTERM' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>;
};

export type ServerProcessOptions = {
  readonly name: string;
  /** Path of the program. */
  readonly program: string;
  readonly args: readonly string[];
  /** Asked again and again after a start until it says yes; a throw is a no. */
  readonly isReady: () => Promise<boolean>;
  /** Out of reach of a Ctrl-C at the terminal. Default false. */
  readonly ownProcessGroup?: boolean;
  /** Another user to run it as. Default: ours. */
  readonly runAs?: { readonly uid: number; readonly gid: number };
  /** What ends it at disposal. Default SIGKILL. */
  readonly endSignal?: 'SIGKILL' | 'SIGQUIT';
};

export function serverProcess(options: ServerProcessOptions): ServerProcess {
  const { name, program, args, isReady, ownProcessGroup = false, runAs, endSignal = 'SIGKILL' } = options;
  let child: ChildProcess | undefined;
  const endWithUs = (): void => void child?.kill(endSignal);

  return {
    pid: () => {
      if (child?.pid === undefined) throw new Error(`${name} is not running`);
      return child.pid;
    },
    async start() {
      const started = spawn(program, args, {
        stdio: ['ignore', 'ignore', 'pipe'],
        detached: ownProcessGroup,
        ...runAs,
      });
      child = started;
      process.once('exit', endWithUs);
      let output = '';
      started.stderr.on('data', (chunk: Buffer) => {
        output = (output + chunk.toString()).slice(-4_000);
      });
      const failure = new Promise<never>((_, reject) => {
        started.once('error', (error) => reject(new Error(`${program} did not start`, { cause: error })));
        started.once('exit', (code) =>
          reject(new Error(`${name} ended with ${code ?? 'a signal'}:\n${output}`)),
        );
      });
      failure.catch(() => undefined);
      await Promise.race([ready(isReady), failure]);
    },
    async signal(signal) {
      if (child === undefined) throw new Error(`${name} is not running`);
      child.kill(signal);
      if (signal === 'SIGKILL' || signal === 'SIGTERM') await ended(child);
    },
    async [Symbol.asyncDispose]() {
      process.off('exit', endWithUs);
      if (child === undefined) return;
      child.kill(endSignal);
      await ended(child);
    },
  };
}

/** The path of a program that bootstrap.mjs has built or found. */
export function programPath(variable: string): string {
  return named(variable, 'run through `npm test` or `npm run demo`, which build what is missing');
}

/** The same for one that is not built, but comes with a package of Debian. */
export function packagedPath(variable: string, debianPackage: string): string {
  return named(variable, `nothing was found: install Debian's package ${debianPackage}, or name one by it`);
}

function named(variable: string, remedy: string): string {
  const path = process.env[variable];
  if (path !== undefined && path !== '') return path;
  throw new Error(`${variable} is not set: ${remedy}.`);
}

/** Free ports, all different: held open together before any is given away. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port); // They listen on TCP.
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

export async function freePort(): Promise<number> {
  return at(await freePorts(1), 0);
}

export function at<T>(list: readonly T[], index: number): T {
  const value = list[index];
  if (value === undefined) throw new Error(`no element ${index}`);
  return value;
}

async function ready(isReady: () => Promise<boolean>): Promise<void> {
  while (!(await isReady().catch(() => false))) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}
