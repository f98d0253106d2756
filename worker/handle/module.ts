import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PenstockError, describeError } from '#common/errors.ts';
import type { BatchHandler } from './batch.ts';
import type { Handler } from './context.ts';

/**
 * Loads a handler module: its default export is the handler.
 *
 * @throws PenstockError `HandlerNotFound`, `HandlerFailedToLoad` or `HandlerNotAFunction`, naming the file.
 */
export async function loadHandler(path: string): Promise<Handler> {
  const remedy = 'export default a function (job, context) => …';
  return (await loadFunction(path, 'default', remedy)) as Handler; // What it takes and returns is its author's word.
}

/** The same for batches: the export is `batch`. */
export async function loadBatchHandler(path: string): Promise<BatchHandler> {
  const remedy = 'export a function batch(jobs, context), or leave out PENSTOCK_BATCH_SIZE';
  return (await loadFunction(path, 'batch', remedy)) as BatchHandler; // As above.
}

async function loadFunction(path: string, name: string, remedy: string): Promise<unknown> {
  const file = resolve(path);
  try {
    await access(file);
  } catch (error) {
    throw new PenstockError('HandlerNotFound', `no handler module at ${file}`, { cause: error });
  }
  let loaded: unknown;
  try {
    loaded = await import(pathToFileURL(file).href);
  } catch (error) {
    throw new PenstockError('HandlerFailedToLoad', `loading ${file} failed: ${describeError(error)}`, {
      cause: error,
    });
  }
  const exported: unknown =
    typeof loaded === 'object' && loaded !== null ? Reflect.get(loaded, name) : undefined;
  if (typeof exported === 'function') return exported;
  throw new PenstockError(
    'HandlerNotAFunction',
    `${file} has ${exported === undefined ? `no ${name} export` : `a ${name} export of type ${typeof exported}`}; ${remedy}`,
  );
}
