import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { PenstockError, toError } from '#common/errors.ts';
import type { Job } from '../../consume/job.ts';
import { Discard, RetryLater } from '../../outcome/verdict.ts';
import type { JobContext } from '../context.ts';
import type { HandlerHost } from '../host.ts';
import { buildJobEnvironment } from './environment.ts';
import { judgeExit } from './exit.ts';
import type { CommandEnd } from './exit.ts';
import { findProgram } from './program.ts';

/** Of what the command writes to stderr, the error of a failed job quotes the end; as much as a dead letter takes. */
const stderrTailChars = 800;

export type CommandSettings = {
  readonly program: string;
  readonly args: readonly string[];
  /** What the command inherits, beside the job's own variables. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Time from SIGTERM, at the abort, to SIGKILL. */
  readonly killGraceMs: number;
};

/**
 * Each job is one run of a command: payload on stdin, metadata in the environment, the answer is the exit code. What it
 * writes goes to the worker's stderr. It is the leader of a process group, which ends with it.
 *
 * @throws PenstockError `HandlerNotFound`
 */
export async function openCommandHandler(settings: CommandSettings): Promise<HandlerHost> {
  const program = await findProgram(settings.program, settings.environment['PATH'] ?? '');
  const running = new Set<ChildProcess>();
  return {
    handle: async (job, context) => {
      const run = start(program, settings, job, context);
      running.add(run.child);
      try {
        const end = await withLimit(run, context.signal, settings.killGraceMs);
        settle(end, program, run.stderrTail());
      } finally {
        running.delete(run.child);
      }
    },
    prepare: () => Promise.resolve(),
    [Symbol.asyncDispose]() {
      for (const child of running) signalGroup(child, 'SIGKILL');
      return Promise.resolve();
    },
  };
}

type Run = {
  readonly child: ChildProcess;
  readonly ended: Promise<CommandEnd>;
  readonly stderrTail: () => string;
};

function start(program: string, { args, environment }: CommandSettings, job: Job, context: JobContext): Run {
  const child = spawn(program, args, {
    stdio: ['pipe', process.stderr, 'pipe'],
    env: { ...environment, ...buildJobEnvironment(job, context.deadline) },
    detached: true,
  });
  let tail = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    process.stderr.write(text);
    tail = (tail + text).slice(-stderrTailChars);
  });
  // A command need not read its job.
  child.stdin.on('error', () => undefined);
  child.stdin.end(job.data);
  const ended = new Promise<CommandEnd>((resolve, reject) => {
    child.once('error', reject);
    // What it left behind would hold stderr open, and the job with it.
    child.once('exit', () => signalGroup(child, 'SIGKILL'));
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  return { child, ended, stderrTail: () => tail.trim() };
}

/** @throws the reason of the abort, once the command has ended. */
async function withLimit(
  { child, ended }: Run,
  signal: AbortSignal,
  killGraceMs: number,
): Promise<CommandEnd> {
  let kill: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    signalGroup(child, 'SIGTERM');
    kill = setTimeout(() => signalGroup(child, 'SIGKILL'), killGraceMs);
  };
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  try {
    const end = await ended;
    // One that ended well in the meantime has done its job.
    if (end.code !== 0) signal.throwIfAborted();
    return end;
  } catch (error) {
    signal.throwIfAborted();
    throw new PenstockError(
      'CommandNotStarted',
      `the command could not be started: ${toError(error).message}`,
      {
        cause: error,
      },
    );
  } finally {
    clearTimeout(kill);
    signal.removeEventListener('abort', onAbort);
  }
}

function settle(end: CommandEnd, program: string, stderr: string): void {
  const how = end.signal === null ? `exit code ${end.code}` : `signal ${end.signal}`;
  const message = `${program} ended with ${how}${stderr === '' ? '' : `: ${stderr}`}`;
  switch (judgeExit(end)) {
    case 'ack':
      return;
    case 'discard':
      throw new Discard(message);
    case 'retryLater':
      throw new RetryLater(undefined, message);
    case 'fail':
      throw new Error(message);
  }
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody is left in it.
  }
}
