/**
 * What runs in a thread: the default export takes one task after the other. It loads the handler at its first task and
 * keeps it. Nothing here may throw while the thread starts, or the pool would start no other.
 */
import { BroadcastChannel, workerData } from 'node:worker_threads';
import { PenstockError, describeError, toError } from '#common/errors.ts';
import { createLogger } from '#common/log.ts';
import { parseJson } from '../../consume/job.ts';
import type { Job } from '../../consume/job.ts';
import type { Handler } from '../context.ts';
import { loadHandler } from '../module.ts';
import type {
  HostMessage,
  ThreadJob,
  ThreadOutcome,
  ThreadSetup,
  ThreadTask,
  ThrownFacts,
} from './messages.ts';
import { ThreadContext } from './threadContext.ts';

const { handlerPath, logLevel, channel } = workerData as ThreadSetup; // Given by the host.
const log = createLogger('worker', logLevel);
let handler: Promise<Handler> | undefined;
let current: ThreadContext | undefined;

new BroadcastChannel(channel).onmessage = (event) => {
  current?.receive((event as { data: HostMessage }).data); // Sent by the host alone.
};

process.on('unhandledRejection', (reason) => {
  log.error({ code: 'StrayRejection', error: describeError(reason) }, 'a handler left a promise rejected');
});

export default async function run(task: ThreadTask): Promise<ThreadOutcome> {
  let loaded: Handler;
  try {
    loaded = await (handler ??= loadHandler(handlerPath));
  } catch (error) {
    const code = error instanceof PenstockError ? error.code : 'HandlerFailedToLoad';
    return { kind: 'notLoaded', code, message: describeError(error) };
  }
  if (task === 'load') return { kind: 'done' };
  const context = new ThreadContext(task, log);
  current = context;
  try {
    await loaded(jobOf(task), context);
    await context.settled();
    return { kind: 'done' };
  } catch (error) {
    return { kind: 'threw', error: factsOf(error) };
  } finally {
    current = undefined;
  }
}

function jobOf(task: ThreadJob): Job {
  return { ...task, json: () => parseJson(task, task.data) };
}

function factsOf(thrown: unknown): ThrownFacts {
  const error = toError(thrown);
  const delayMs = 'delayMs' in error && typeof error.delayMs === 'number' ? error.delayMs : undefined;
  return { name: error.name, message: error.message, stack: error.stack, delayMs };
}
