import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { BroadcastChannel, MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { PenstockError, describeError, toError } from '#common/errors.ts';
import type { LogLevel, Logger } from '#common/log.ts';
import type { Job } from '../../consume/job.ts';
import type { AbortName, JobContext } from '../context.ts';
import type { HandlerHost, ThreadFigures } from '../host.ts';
import type { AbortMessage, ThreadJob, ThreadOutcome, ThreadSetup, ThreadTask } from './messages.ts';
import { ThreadPort } from './threadPort.ts';
import type { RunningJob } from './threadPort.ts';
import { rebuild } from './thrown.ts';

/** Threads beyond the first end when they had nothing to do for that long. */
const idleMs = 60_000;
/** With V8's own choice, some patterns of allocation pass the limit so fast that V8 ends the whole process. */
const youngGenerationMb = 16;

export type ThreadSettings = {
  /** Module whose default export is the handler; each thread loads it once. */
  readonly handlerPath: string;
  /** As many as the worker has slots, so that no job waits for a thread. */
  readonly threads: number;
  /** Heap of a thread in MB; undefined leaves it to Node. */
  readonly memoryMb: number | undefined;
  /** Time from the abort until the thread of a job that goes on is killed. */
  readonly killGraceMs: number;
  readonly logLevel: LogLevel;
};

/** Runs a handler module in worker threads, so that what it computes blocks neither leases nor other jobs. */
export function openThreadHandler(settings: ThreadSettings): HandlerHost {
  return new Threads(settings);
}

let pools = 0;

class Threads implements HandlerHost {
  readonly #pool: Piscina<ThreadTask, ThreadOutcome>;
  readonly #channel: BroadcastChannel;
  readonly #killGraceMs: number;
  /** Those that run, by number. */
  readonly #running = new Map<number, RunningJob>();
  #log: Logger | undefined;
  #jobs = 0;
  #lost = 0;
  /** Threads that were killed and have not ended yet. */
  #ending = 0;

  constructor({ handlerPath, threads, memoryMb, killGraceMs, logLevel }: ThreadSettings) {
    pools += 1;
    const channel = `penstock-threads-${pools}`;
    const setup: ThreadSetup = { handlerPath, logLevel, channel };
    this.#killGraceMs = killGraceMs;
    this.#channel = new BroadcastChannel(channel);
    this.#channel.unref();
    this.#pool = new Piscina({
      filename: threadFile(),
      workerData: setup,
      minThreads: 1,
      maxThreads: threads,
      idleTimeout: idleMs,
      // Waiting by Atomics would freeze sockets and timers of a thread between its jobs.
      atomics: 'disabled',
      ...(memoryMb !== undefined && {
        resourceLimits: { maxOldGenerationSizeMb: memoryMb, maxYoungGenerationSizeMb: youngGenerationMb },
      }),
    });
    // Its port, which each thread sends first, lives as long as it; anything else is said by handlers, to nobody.
    this.#pool.on('message', (port: unknown) => {
      if (port instanceof MessagePort) new ThreadPort(port, this.#running);
    });
    // Of a thread between two jobs, e.g. by a timer that a job left behind; the pool replaces it.
    this.#pool.on('error', (error: unknown) => {
      // One that was killed just when it reached its limit of memory tells of that as well.
      if (this.#ending > 0 && isOutOfMemory(error)) return;
      this.#lost += 1;
      this.#log?.error({ code: 'StrayException', error: describeError(error) }, 'a handler thread died');
    });
  }

  get threads(): ThreadFigures {
    return { running: this.#pool.threads.length, lost: this.#lost };
  }

  readonly handle = async (job: Job, context: JobContext): Promise<void> => {
    const id = (this.#jobs += 1);
    const outcome = await this.#run(id, job, context);
    if (outcome.kind === 'notLoaded') throw new PenstockError(outcome.code, outcome.message);
    if (outcome.kind === 'threw') throw rebuild(outcome.error);
  };

  async prepare(_signal: AbortSignal, log: Logger): Promise<void> {
    this.#log = log;
    // The pool starts no thread after one that could not even start, and the task would wait for ever.
    const notStarted = once(this.#pool, 'error').then(([error]: unknown[]) => {
      throw new PenstockError('ThreadNotStarted', `no thread can be started: ${describeError(error)}`);
    });
    const outcome = await Promise.race([this.#pool.run('load'), notStarted]);
    if (outcome.kind === 'notLoaded') throw new PenstockError(outcome.code, outcome.message);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.destroy();
    this.#channel.close();
  }

  #kill(kill: AbortController): void {
    const before = this.#pool.threads;
    kill.abort();
    const after = new Set(this.#pool.threads);
    for (const thread of before) {
      if (after.has(thread)) continue;
      this.#ending += 1;
      thread.once('exit', () => (this.#ending -= 1));
    }
  }

  async #run(id: number, job: Job, context: JobContext): Promise<ThreadOutcome> {
    const { signal, deadline } = context;
    const task = toThreadJob(id, job, deadline);
    this.#running.set(id, { context, permits: new Map() });
    const kill = new AbortController();
    let killTimer: NodeJS.Timeout | undefined;
    const onAbort = (): void => {
      const { name, message } = signal.reason as Error & { name: AbortName }; // Made by abortReason.
      this.#channel.postMessage({ id, name, message } satisfies AbortMessage);
      killTimer = setTimeout(() => this.#kill(kill), this.#killGraceMs);
    };
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    try {
      return await this.#pool.run(task, { signal: kill.signal, transferList: [task.data.buffer] });
    } catch (error) {
      this.#lost += 1;
      if (kill.signal.aborted) throw toError(signal.reason);
      throw new Error(`the thread of the job ended: ${describeError(error)}`, { cause: error });
    } finally {
      this.#running.delete(id);
      clearTimeout(killTimer);
      signal.removeEventListener('abort', onAbort);
    }
  }
}

const isOutOfMemory = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';

function toThreadJob(id: number, job: Job, deadline: Date): ThreadJob {
  const { data, headers, subject, stream, sequence, attempt, deliveries, publishedAt, idempotencyKey } = job;
  return {
    id,
    data,
    headers,
    subject,
    stream,
    sequence,
    attempt,
    deliveries,
    publishedAt,
    idempotencyKey,
    deadline,
  };
}

/** Beside this file in the sources, beside the program in a bundle. */
function threadFile(): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'mjs';
  return fileURLToPath(new URL(`./thread.${extension}`, import.meta.url));
}
