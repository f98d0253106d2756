import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PenstockError, describeError } from '#common/errors.ts';
import type { Handler } from './context.ts';

/**
 * Loads a handler module: its default export is the handler.
 *
 * @throws PenstockError `HandlerNotFound`, `HandlerFailedToLoad` or `HandlerNotAFunction`, naming the file.
 */
export async function loadHandler(path: string): Promise<Handler> {
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
  const handler =
    typeof loaded === 'object' && loaded !== null && 'default' in loaded ? loaded.default : undefined;
  if (typeof handler === 'function') return handler as Handler; // What it takes and returns is its author's word.
  throw new PenstockError(
    'HandlerNotAFunction',
    `${file} has ${handler === undefined ? 'no default export' : `a default export of type ${typeof handler}`}; ` +
      'export default a function (job, context) => …',
  );
}
