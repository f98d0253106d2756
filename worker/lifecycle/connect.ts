import { PenstockError, describeError } from '#common/errors.ts';
import type { Logger } from '#common/log.ts';
import { connectNats } from '#common/nats.ts';
import type { NatsConnection, NatsSettings } from '#common/nats.ts';
import { sleep } from '#common/sleep.ts';

const firstRetryMs = 200;
const maxRetryMs = 2_000;

/**
 * Tries until NATS is there: a worker may well start before its server.
 *
 * @returns undefined as soon as `signal` is aborted; a connection that comes up after that is closed again.
 * @throws PenstockError when trying again is useless.
 */
export async function connectPatiently(
  nats: NatsSettings,
  name: string,
  random: () => number,
  signal: AbortSignal,
  log: Logger,
): Promise<NatsConnection | undefined> {
  for (let delayMs = firstRetryMs; !signal.aborted; delayMs = Math.min(2 * delayMs, maxRetryMs)) {
    try {
      return await unlessAborted(connectNats(nats, name), signal);
    } catch (error) {
      if (!(error instanceof PenstockError && error.retryable)) throw error;
      log.warn({ error: describeError(error) }, 'NATS is not there yet');
    }
    await sleep(delayMs * (0.5 + random()), signal);
  }
  return undefined;
}

async function unlessAborted(
  attempt: Promise<NatsConnection>,
  signal: AbortSignal,
): Promise<NatsConnection | undefined> {
  const aborted = Promise.withResolvers<undefined>();
  const onAbort = (): void => {
    aborted.resolve(undefined);
    attempt.then((late) => late.close()).catch(() => undefined);
  };
  signal.addEventListener('abort', onAbort);
  try {
    return await Promise.race([attempt, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
