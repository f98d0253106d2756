import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export type Program = AsyncDisposable & {
  readonly child: ChildProcess;
  readonly pid: number;
  /** All that it has written so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Resolves when it has ended: its exit code, or the signal's name. */
  readonly ended: Promise<number | NodeJS.Signals>;
};

type Environment = Readonly<Record<string, string>>;

/** `penstock ARGS…` as a process of its own; killed at disposal if it still runs. */
export const penstock = (args: readonly string[], env: Environment = {}): Program =>
  run(fromRoot('cli/main.ts'), args, env);

/** The operator on Kubernetes, likewise. */
export const operator = (env: Environment): Program => run(fromRoot('operator/main.ts'), [], env);

/** Any program for Node, likewise. */
export function run(path: string, args: readonly string[] = [], env: Environment = {}): Program {
  const child = spawn(process.execPath, [path, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(signal ?? code ?? -1));
  });
  return {
    child,
    pid: child.pid ?? -1,
    stdout: () => stdout,
    stderr: () => stderr,
    ended,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    },
  };
}

export const fromRoot = (file: string): string => fileURLToPath(new URL(`../../${file}`, import.meta.url));
