import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { programPath } from './serverProcess.ts';

/** Which cluster, and as whom: the kubeconfig, and a context in it, by default its current. */
export type ClusterAccess = { readonly kubeconfig: string; readonly context?: string };

/** The pinned kubectl: the one way to a cluster that understands every kind of login. */
export class Kubectl {
  readonly #access: readonly string[];

  constructor({ kubeconfig, context }: ClusterAccess) {
    this.#access = [`--kubeconfig=${kubeconfig}`, ...(context === undefined ? [] : [`--context=${context}`])];
  }

  /**
   * @param input for its stdin.
   * @returns what it wrote to stdout.
   * @throws Error with what it wrote to stderr.
   */
  async run(args: readonly string[], input = ''): Promise<string> {
    return await new Promise((resolve, reject) => {
      const child = execFile(
        programPath('PENSTOCK_KUBECTL'),
        [...this.#access, ...args],
        { maxBuffer: 64 * 1_048_576 },
        (error, stdout, stderr) => {
          if (error === null) resolve(stdout);
          // Its own message repeats the command and stderr.
          else reject(new Error(`kubectl ${args.join(' ')}: ${stderr.trim() || error.message}`));
        },
      );
      child.stdin?.end(input);
    });
  }

  async apply(...manifests: readonly unknown[]): Promise<void> {
    const list = { apiVersion: 'v1', kind: 'List', items: manifests };
    await this.run(['apply', '--filename=-'], JSON.stringify(list));
  }

  /** Follows what a command writes, line by line, until disposal. */
  follow(args: readonly string[], onLine: (line: string) => void): AsyncDisposable {
    const child = this.#start(args);
    if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', onLine);
    return { [Symbol.asyncDispose]: () => end(child) };
  }

  /**
   * Opens a port on this machine to a port of one pod of a Service or Deployment.
   *
   * @throws Error when there is none that runs.
   */
  async forward(namespace: string, target: string, port: number): Promise<Forward> {
    return await this.#open(['--namespace', namespace, 'port-forward', target, `:${port}`]);
  }

  /** Opens a port on this machine to the API server, which needs no login there. */
  async proxy(): Promise<Forward> {
    return await this.#open(['proxy', '--port=0']);
  }

  /** Runs a command that says which port it has opened. */
  async #open(args: readonly string[]): Promise<Forward> {
    const child = this.#start(args);
    let output = '';
    const port = await new Promise<number>((resolve, reject) => {
      const read = (chunk: Buffer): void => {
        output += chunk.toString();
        const match = /127\.0\.0\.1:(\d+)\s/.exec(output);
        if (match !== null) resolve(Number(match[1]));
      };
      child.stdout?.on('data', read);
      child.stderr?.on('data', read);
      child.once('exit', () => reject(new Error(`kubectl ${args.join(' ')}: ${output.trim()}`)));
    });
    return { port, [Symbol.asyncDispose]: () => end(child) };
  }

  /** Ends with us. */
  #start(args: readonly string[]): ChildProcess {
    const child = spawn(programPath('PENSTOCK_KUBECTL'), [...this.#access, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // Out of reach of a Ctrl-C at the terminal: we end things in our own order.
    });
    const endWithUs = (): void => void child.kill('SIGKILL');
    process.once('exit', endWithUs);
    child.once('exit', () => process.off('exit', endWithUs));
    return child;
  }
}

export type Forward = AsyncDisposable & { readonly port: number };

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
