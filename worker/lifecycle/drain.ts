import type { NatsConnection } from '@nats-io/transport-node';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import type { Engine } from '../consume/engine.ts';
import { sleep } from './sleep.ts';

/** Part of the grace that is kept for handlers to obey the abort, and for the goodbye. */
const marginShare = 0.2;
const maxMarginMs = 3_000;
/** A server that does not answer the goodbye by then has got it or never will. */
const flushTimeoutMs = 1_000;

/**
 * Ends the work without losing a job or running one twice:
 *
 * 1. ask for nothing more, and accept what the server had already sent;
 * 2. give back what has not started: other replicas run it now;
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
  const until = async (endMs: number, event: Promise<unknown>): Promise<void> => {
    await Promise.race([event, sleep(startMs + endMs - clock.monotonicMs(), forced)]);
  };

  await until(Math.min(flushTimeoutMs, graceMs / 2), engine.stopPulling());
  engine.handBackBuffered();
  await until(graceMs - marginMs, engine.quiet());
  if (!engine.isQuiet) {
    log.warn({ running: engine.running }, 'aborting jobs that outlast the grace time');
    engine.interrupt();
    await until(graceMs - marginMs / 2, engine.quiet());
    engine.handBackRunning();
  }
  const flushed = await Promise.race([
    connection.flush().then(
      () => true,
      () => false,
    ),
    sleep(flushTimeoutMs, AbortSignal.any([])).then(() => false),
  ]);
  if (!flushed) log.warn('NATS did not confirm the goodbye; unfinished jobs come back after ack_wait');
  return flushed;
}
