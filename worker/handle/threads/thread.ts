/**
 * What runs in a thread: the default export takes one task after the other. It loads the handler at its first task and
 * keeps it. Nothing here may throw while the thread starts, or the pool would start no other.
 */
import { BroadcastChannel, workerData } from 'node:worker_threads';
import { PenstockError, describeError } from '#common/errors.ts';
import { createLogger } from '#common/log.ts';
import { parseJson } from '../../consume/job.ts';
import type { Job } from '../../consume/job.ts';
import type { Handler } from '../context.ts';
import { loadHandler, loadSlotState } from '../module.ts';
import { HostPort } from './hostPort.ts';
import type { AbortMessage, ThreadJob, ThreadOutcome, ThreadSetup, ThreadTask } from './messages.ts';
import { ThreadContext } from './threadContext.ts';
import { factsOf } from './thrown.ts';

const { handlerPath, logLevel, channel } = workerData as ThreadSetup; // Given by the host.
const log = createLogger('worker', logLevel);
const host = new HostPort();
let handler: Promise<Handler> | undefined;
let current: ThreadContext | undefined;

new BroadcastChannel(channel).onmessage = (event) => {
  current?.receive((event as { data: AbortMessage }).data); // Sent by the host alone.
};

process.on('unhandledRejection', (reason) => {
  log.error({ code: 'StrayRejection', error: describeError(reason) }, 'a handler left a promise rejected');
});

export default async function run(task: ThreadTask): Promise<ThreadOutcome> {
  let loaded: Handler;
  try {
    loaded = await (handler ??= load());
  } catch (error) {
    const code = error instanceof PenstockError ? error.code : 'HandlerFailedToLoad';
    return { kind: 'notLoaded', code, message: describeError(error) };
  }
  if (task === 'load') return { kind: 'done' };
  const context = new ThreadContext(task, host, log);
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

/** Of what a module may export, threads take the handler only. */
async function load(): Promise<Handler> {
  const found = await loadHandler(handlerPath);
  if ((await loadSlotState(handlerPath)) === undefined) return found;
  throw new PenstockError(
    'InvalidHandler',
    `${handlerPath} exports slotState, which has no effect in threads; keep it in a variable of the module, or leave out PENSTOCK_HANDLER_THREADS`,
  );
}

function jobOf(task: ThreadJob): Job {
  return { ...task, json: () => parseJson(task, task.data) };
}
