import type { Logger } from '#common/log.ts';
import type { Handler } from './context.ts';

/** A handler with what stands behind it: a server that is waited for, child processes, threads. */
export type HandlerHost = AsyncDisposable & {
  readonly handle: Handler;
  /**
   * Resolves when it can take jobs, or as soon as the signal is aborted.
   *
   * @throws PenstockError when it never will.
   */
  prepare(signal: AbortSignal, log: Logger): Promise<void>;
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
