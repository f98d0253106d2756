import type { Logger } from '#common/log.ts';
import type { Handler } from './context.ts';
import type { SlotStateSource } from './slotStates.ts';

/** A handler with what stands behind it: a server that is waited for, child processes, threads. */
export type HandlerHost = AsyncDisposable & {
  readonly handle: Handler;
  /**
   * Resolves when it can take jobs, or as soon as the signal is aborted.
   *
   * @throws PenstockError when it never will.
   */
  prepare(signal: AbortSignal, log: Logger): Promise<void>;
  /** What each slot keeps from job to job, if the handler brings that along. */
  readonly slotState?: SlotStateSource | undefined;
  /** If it runs jobs in threads. */
  readonly threads?: ThreadFigures | undefined;
};

export type ThreadFigures = {
  /** Threads that are there now. */
  readonly running: number;
  /** Threads that were killed or died, since the start. */
  readonly lost: number;
};

/** A plain function needs nothing around it. */
export function toHost(handler: Handler | HandlerHost): HandlerHost {
  if (typeof handler !== 'function') return handler;
  return {
    handle: handler,
    prepare: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
