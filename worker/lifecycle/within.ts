import { sleep } from '#common/sleep.ts';

/**
 * Waits for the event, but no longer than the time, nor after the signal is aborted. No timer is left behind.
 *
 * @returns whether the event came. Its failure counts as not coming.
 */
export async function within(ms: number, event: Promise<unknown>, signal?: AbortSignal): Promise<boolean> {
  const over = new AbortController();
  const limit = signal === undefined ? over.signal : AbortSignal.any([over.signal, signal]);
  const came = event.then(
    () => true,
    () => false,
  );
  const result = await Promise.race([came, sleep(ms, limit).then(() => false)]);
  over.abort();
  return result;
}
