import { PenstockError, describeError } from '#common/errors.ts';
import { listenForShutdown } from '#common/shutdown.ts';
import { readConfig } from './config.ts';
import type { Environment } from './config.ts';
import { loadHandler } from './handle/module.ts';
import { runWorker } from './run.ts';

/**
 * The worker program: `penstock worker HANDLER`. Runs until a signal ends it: the first SIGTERM or SIGINT gracefully,
 * a second one at once.
 *
 * @param handlerPath module whose default export is the handler.
 * @param environment settings; the process's own by default.
 * @returns the exit code: 0 when everything was settled or handed back; 1, after one line on stderr, when the worker
 *   could not work or NATS did not confirm its goodbye.
 */
export async function runWorkerProgram(handlerPath: string, environment?: Environment): Promise<number> {
  using shutdown = listenForShutdown();
  try {
    const options = readConfig(environment);
    const worker = await runWorker(options, await loadHandler(handlerPath));
    shutdown.requested.addEventListener('abort', () => worker.stop());
    shutdown.forced.addEventListener('abort', () => worker.stopNow());
    if (shutdown.requested.aborted) worker.stop();

    const onStrayRejection = (reason: unknown): void => {
      worker.reportStrayRejection();
      options.logger?.error(
        { code: 'StrayRejection', error: describeError(reason) },
        'a handler left a promise rejected',
      );
    };
    process.on('unhandledRejection', onStrayRejection);
    const summary = await worker.done;
    process.off('unhandledRejection', onStrayRejection);
    options.logger?.info(summary, 'worker stopped');
    return summary.clean ? 0 : 1;
  } catch (error) {
    const code = error instanceof PenstockError ? error.code : 'UnexpectedError';
    process.stderr.write(`penstock worker: ${code}: ${describeError(error)}\n`);
    return 1;
  }
}
