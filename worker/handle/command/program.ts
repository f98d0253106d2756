import { access, constants, stat } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { PenstockError } from '#common/errors.ts';

/**
 * The file of a program, searched for on `searchPath` unless it is named by a path.
 *
 * @throws PenstockError `HandlerNotFound`
 */
export async function findProgram(name: string, searchPath: string): Promise<string> {
  const folders = name.includes('/') ? [] : searchPath.split(delimiter).filter((folder) => folder !== '');
  const candidates = name.includes('/') ? [resolve(name)] : folders.map((folder) => join(folder, name));
  for (const candidate of candidates) if (await isExecutable(candidate)) return candidate;
  throw new PenstockError(
    'HandlerNotFound',
    name.includes('/')
      ? `no program that may be run at ${resolve(name)}; check the path and its mode`
      : `no program ${JSON.stringify(name)} on PATH (${searchPath}); name it by its path`,
  );
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}
