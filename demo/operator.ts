import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { PenstockError } from '#common/errors.ts';
import type { PassReport } from '../operator/report/passReport.ts';

export type OperatorProcess = AsyncDisposable & {
  /** Reports of the pool, oldest first. */
  readonly reports: readonly PassReport[];
  /** @throws PenstockError `OperatorEnded`, with the end of its log, when it is gone without being asked. */
  assertRunning(): Promise<void>;
  /**
   * Ends it with all its replicas, which may finish their jobs.
   *
   * @throws PenstockError `OperatorEnded` when its exit code tells that this did not go well.
   */
  stop(): Promise<void>;
};

/** An operator that hangs is killed; its replicas notice that and end. */
const killAfterMs = 3_000;
const commandLine = fileURLToPath(new URL('../cli/main.ts', import.meta.url));

export type OperatorOptions = {
  readonly policyFiles: readonly string[];
  /** namespace/name of the pool whose reports are wanted. */
  readonly pool: string;
  /** What the operator writes to stderr goes there. */
  readonly logFile: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
};

/**
 * Runs `penstock local` on policy files, in a process group of its own: a Ctrl-C at the terminal reaches the demo
 * alone, which then ends things in their order.
 */
export function startOperator({ policyFiles, pool, logFile, environment }: OperatorOptions): OperatorProcess {
  const files = policyFiles.flatMap((file) => ['-f', file]);
  const log = openSync(logFile, 'a');
  const child = spawn(process.execPath, [commandLine, 'local', ...files, '--json'], {
    stdio: ['ignore', 'pipe', log],
    env: environment,
    detached: true,
  });
  closeSync(log);
  const reports: PassReport[] = [];
  if (child.stdout === null) throw new Error('the operator has no stdout, which is asked for above');
  createInterface({ input: child.stdout }).on('line', (line) => {
    const report = parseReport(line);
    if (report?.pool === pool) reports.push(report);
  });
  const endWithParent = (): void => void child.kill('SIGKILL'); // Its replicas notice and end.
  process.once('exit', endWithParent);
  const exited = once(child, 'close').finally(() => process.off('exit', endWithParent));
  exited.catch(() => undefined); // `error` before the start: it then has neither exit code nor pid.
  const hasEnded = (): boolean =>
    child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
  const endedError = async (): Promise<PenstockError> => {
    const log = (await readFile(logFile, 'utf8').catch(() => '')).trimEnd().split('\n').slice(-10).join('\n');
    return new PenstockError(
      'OperatorEnded',
      `the operator ended with ${child.exitCode ?? child.signalCode ?? 'no start'}; end of its log:\n${log}`,
    );
  };
  return {
    reports,
    async assertRunning() {
      if (hasEnded()) throw await endedError();
    },
    async stop() {
      if (!hasEnded()) {
        child.kill('SIGTERM');
        await exited;
      }
      if (child.exitCode !== 0) throw await endedError();
    },
    async [Symbol.asyncDispose]() {
      if (hasEnded()) return;
      // Two signals ask it to end its replicas without grace; equal ones could arrive as one.
      child.kill('SIGTERM');
      child.kill('SIGINT');
      const timer = setTimeout(() => child.kill('SIGKILL'), killAfterMs);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** Undefined for half a line, which is what an operator that was killed may leave behind. */
function parseReport(line: string): PassReport | undefined {
  try {
    return JSON.parse(line) as PassReport; // Written by the program whose type this is.
  } catch {
    return undefined;
  }
}
