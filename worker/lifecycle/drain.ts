import type { NatsConnection } from '@nats-io/transport-node';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import type { Engine } from '../consume/engine.ts';
import { within } from './within.ts';

/** Part of the grace that is kept for handlers to obey the abort, and for the goodbye. */
const marginShare = 0.2;
const maxMarginMs = 3_000;
/** Buffered jobs that take no longer than this are run rather than given back. */
const blinkMs = 250;
/** A server that does not answer the goodbye by then has got it or never will. */
const flushTimeoutMs = 1_000;

/**
 * Ends the work without losing a job or running one twice:
 *
 * 1. ask for nothing more, and accept what the server had already sent;
 * 2. give back what has not started, so that other replicas run it now; unless it would be done here in a blink,
 *    which spares a delivery that counts as an attempt;
 * 3. let running jobs end, leases kept, until the grace is nearly over;
 * 4. abort the rest, and give back what has not obeyed halfway through the margin;
 * 5. wait until the server has read it all.
 *
 * @param graceMs time for all of it.
 * @param forced aborted: steps 3 and 4 do not wait.
 * @returns whether the server confirmed that it has read everything.
 */
export async function drain(
  engine: Engine,
  connection: NatsConnection,
  graceMs: number,
  forced: AbortSignal,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): Promise<boolean> {
  const startMs = clock.monotonicMs();
  const marginMs = Math.min(maxMarginMs, graceMs * marginShare);
  const elapsedMs = (): number => clock.monotonicMs() - startMs;
  const until = (endMs: number, event: Promise<unknown>): Promise<boolean> =>
    within(endMs - elapsedMs(), event, forced);

  await until(Math.min(flushTimeoutMs, graceMs / 2), engine.stopPulling());
  if (engine.bufferedWorkMs <= blinkMs) await until(elapsedMs() + 2 * blinkMs, engine.unbuffered());
  engine.handBackBuffered();
  await until(graceMs - marginMs, engine.quiet());
  if (!engine.isQuiet) {
    log.warn({ running: engine.running }, 'aborting jobs that outlast the grace time');
    engine.interrupt();
    await until(graceMs - marginMs / 2, engine.quiet());
    engine.handBackRunning();
  }
  const flushed = await within(flushTimeoutMs, connection.flush());
  if (!flushed) log.warn('NATS did not confirm the goodbye; unfinished jobs come back after ack_wait');
  return flushed;
}
