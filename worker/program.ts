import { PenstockError, describeError } from '#common/errors.ts';
import { exitCodeOf } from '#common/exitCode.ts';
import type { Logger } from '#common/log.ts';
import { listenForShutdown } from '#common/shutdown.ts';
import { readConfig } from './config.ts';
import type { Environment } from './config.ts';
import { openBatchHandler, openHandler } from './handle/choice.ts';
import { runBatchWorker, runWorker } from './run.ts';
import type { RunningWorker } from './run.ts';

/** Not 0 and not 1, so that it shows in the last state of a container. */
const exitCodeOfMemory = 3;

/**
 * The worker program: `penstock worker HANDLER [ARG…]`. Runs until a signal ends it: the first SIGTERM or SIGINT gracefully,
 * a second one at once.
 *
 * @param handler path of a module whose default export is the handler, `http(s)://…`, or `exec:PROGRAM`.
 * @param args of that program.
 * @param environment settings; the process's own by default.
 * @returns the exit code: 0 when everything was settled or handed back; 1 when the worker could not work or NATS did
 *   not confirm its goodbye; 2 when the settings or the handler are wrong; 3 when it drained because its memory passed
 *   the ceiling. An error is one line on stderr.
 */
export async function runWorkerProgram(
  handler: string,
  args: readonly string[],
  environment?: Environment,
): Promise<number> {
  using shutdown = listenForShutdown();
  try {
    const { handlerSettings, ...options } = readConfig(environment);
    const { logger } = options;
    const choice = { ...handlerSettings, handler, args };
    const worker =
      options.batch === undefined
        ? await runWorker(options, await openHandler(choice))
        : await runBatchWorker(options, await openBatchHandler(choice));
    shutdown.requested.addEventListener('abort', () => worker.stop());
    shutdown.forced.addEventListener('abort', () => worker.stopNow());
    if (shutdown.requested.aborted) worker.stop();

    using stray = watchStrayErrors(worker, logger);
    const summary = await worker.done;
    logger.info(summary, 'worker stopped');
    if (summary.cause === 'memory') return exitCodeOfMemory;
    return summary.clean && !stray.isBroken ? 0 : 1;
  } catch (error) {
    const code = error instanceof PenstockError ? error.code : 'UnexpectedError';
    process.stderr.write(`penstock worker: ${code}: ${describeError(error)}\n`);
    return exitCodeOf(error);
  }
}

/**
 * What handlers leave behind reaches the process. A rejected promise breaks nothing and is counted. An exception that
 * nobody caught, as from a timer, may have left anything half done: the worker gives its jobs back and ends, so that
 * the host starts a sound one.
 */
function watchStrayErrors(
  worker: RunningWorker,
  logger: Logger,
): Disposable & { readonly isBroken: boolean } {
  let isBroken = false;
  const onRejection = (reason: unknown): void => {
    worker.reportStrayRejection();
    logger.error(
      { code: 'StrayRejection', error: describeError(reason) },
      'a handler left a promise rejected',
    );
  };
  const onException = (error: unknown): void => {
    isBroken = true;
    logger.fatal({ code: 'StrayException', err: error }, 'an exception that nobody caught; the worker ends');
    worker.stop();
  };
  process.on('unhandledRejection', onRejection);
  process.on('uncaughtException', onException);
  return {
    get isBroken() {
      return isBroken;
    },
    [Symbol.dispose]() {
      process.off('unhandledRejection', onRejection);
      process.off('uncaughtException', onException);
    },
  };
}
