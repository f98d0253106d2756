import type { LogLevel } from '#common/log.ts';
import { openCommandHandler } from './command/command.ts';
import { toHost } from './host.ts';
import type { HandlerHost } from './host.ts';
import { PenstockError } from '#common/errors.ts';
import type { BatchHandler } from './batch.ts';
import { loadBatchHandler, loadHandler, loadSlotState } from './module.ts';

export type HandlerSettings = {
  /** Path of a module, `http://…`, `https://…`, or `exec:PROGRAM`. */
  readonly handler: string;
  /** Arguments of a program. */
  readonly args: readonly string[];
  /** Whether a module runs in worker threads. */
  readonly threads: boolean;
  readonly threadMemoryMb: number | undefined;
  readonly slots: number;
  /** After the abort; a thread or a command that goes on is killed before its job would count as stuck. */
  readonly killGraceMs: number;
  readonly logLevel: LogLevel;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Settings, as NAME=VALUE, that have no effect without a context, which only modules get. */
  readonly forContext: readonly string[];
};

const command = 'exec:';

/**
 * The handler that a worker is started with. What a kind needs is loaded for that kind only.
 *
 * @throws PenstockError `InvalidHandler`, `HandlerNotFound`, `HandlerFailedToLoad`, `HandlerNotAFunction`.
 */
export async function openHandler(settings: HandlerSettings): Promise<HandlerHost> {
  const { handler, args, environment, killGraceMs, logLevel, slots, threads, threadMemoryMb } = settings;
  const isModule = !handler.startsWith(command) && !/^https?:/.test(handler);
  if (settings.forContext.length > 0 && !isModule) {
    throw new PenstockError(
      'InvalidHandler',
      `${settings.forContext.join(', ')}: only the context of a module can use it; leave it out for ${handler}`,
    );
  }
  if (threads && !isModule) {
    throw new PenstockError(
      'InvalidHandler',
      `PENSTOCK_HANDLER_THREADS=true: only a module runs in threads; leave it out for ${handler}`,
    );
  }
  if (handler.startsWith(command)) {
    return openCommandHandler({ program: handler.slice(command.length), args, environment, killGraceMs });
  }
  if (args.length > 0) {
    throw new PenstockError(
      'InvalidHandler',
      `${handler} takes no arguments (given: ${args.join(' ')}); only ${command}PROGRAM does`,
    );
  }
  if (/^https?:/.test(handler)) {
    const { openHttpHandler } = await import('./http/http.ts');
    return openHttpHandler(handler);
  }
  if (!threads) return { ...toHost(await loadHandler(handler)), slotState: await loadSlotState(handler) };
  const { openThreadHandler } = await import('./threads/threads.ts');
  return openThreadHandler({
    handlerPath: handler,
    threads: slots,
    memoryMb: threadMemoryMb,
    killGraceMs,
    logLevel,
  });
}

/**
 * The same for batches, which only a module in this thread can take.
 *
 * @throws PenstockError as `openHandler` does.
 */
export async function openBatchHandler({ handler, threads }: HandlerSettings): Promise<BatchHandler> {
  const isModule = !handler.startsWith(command) && !/^https?:/.test(handler);
  if (isModule && !threads) return loadBatchHandler(handler);
  throw new PenstockError(
    'InvalidHandler',
    `${isModule ? 'a module in threads' : handler} takes one job at a time; leave out PENSTOCK_BATCH_SIZE, or use a module without threads`,
  );
}
