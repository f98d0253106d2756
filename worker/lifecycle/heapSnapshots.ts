import { createWriteStream } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { getHeapSnapshot } from 'node:v8';
import { describeError } from '#common/errors.ts';
import type { Logger } from '#common/log.ts';

/** Snapshots that are kept; a fourth takes the place of the oldest, whichever process wrote it. */
const maxSnapshots = 3;
const ending = '.heapsnapshot';

/**
 * Writes what is in memory to a file of the folder at each SIGUSR2, for the memory tab of Chrome's developer tools.
 *
 * The event loop stands still meanwhile, for a second per 100 MB or so, and the memory doubles: leases may be lost. The
 * file holds all that the process knows, secrets too, and is readable by its owner only.
 */
export function writeSnapshotsOnSignal(folder: string, log: Logger): Disposable {
  let isWriting = false;
  const onSignal = (): void => {
    if (isWriting) return;
    isWriting = true;
    void writeSnapshot(folder)
      .then(
        (file) => log.info({ file }, 'wrote a heap snapshot'),
        (error: unknown) =>
          log.error({ folder, error: describeError(error) }, 'no heap snapshot was written'),
      )
      .finally(() => {
        isWriting = false;
      });
  };
  process.on('SIGUSR2', onSignal);
  return { [Symbol.dispose]: () => void process.off('SIGUSR2', onSignal) };
}

async function writeSnapshot(folder: string): Promise<string> {
  const time = new Date().toISOString().replaceAll(':', '-');
  const older = (await readdir(folder)).filter((name) => name.endsWith(ending)).toSorted();
  const superfluous = older.slice(0, Math.max(0, older.length - maxSnapshots + 1));
  for (const name of superfluous) await rm(join(folder, name));
  const file = join(folder, `${time}-${process.pid}${ending}`);
  await pipeline(getHeapSnapshot(), createWriteStream(file, { flags: 'wx', mode: 0o600 }));
  return file;
}
