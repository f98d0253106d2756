import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PenstockError, describeError } from '#common/errors.ts';
import type { BatchHandler } from './batch.ts';
import type { Handler } from './context.ts';
import type { SlotStateSource } from './slotStates.ts';

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

/** The export `slotState`, if there is one. */
export async function loadSlotState(path: string): Promise<SlotStateSource | undefined> {
  const { exported, file } = await loadExport(path, 'slotState');
  if (exported === undefined) return undefined;
  if (
    typeof exported === 'object' &&
    exported !== null &&
    typeof Reflect.get(exported, 'build') === 'function'
  ) {
    return exported as SlotStateSource; // As above.
  }
  throw new PenstockError(
    'HandlerFailedToLoad',
    `${file} has a slotState export that is none; export const slotState = { build, release, idleMs }`,
  );
}

async function loadFunction(path: string, name: string, remedy: string): Promise<unknown> {
  const { exported, file } = await loadExport(path, name);
  if (typeof exported === 'function') return exported;
  throw new PenstockError(
    'HandlerNotAFunction',
    `${file} has ${exported === undefined ? `no ${name} export` : `a ${name} export of type ${typeof exported}`}; ${remedy}`,
  );
}

async function loadExport(path: string, name: string): Promise<{ exported: unknown; file: string }> {
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
  return { exported, file };
}
