import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '#common/clock.ts';
import { PenstockError } from '#common/errors.ts';
import { secondsToMs } from '#common/units.ts';
import type { Broker } from './broker.ts';
import type { TraceJob } from './trace.ts';

export type PublishedJob = {
  readonly id: string;
  /** When the trace wanted it to arrive, milliseconds since 1970: waiting counts from here. */
  readonly dueAtMs: number;
};

const retryMs = 250;
/** Well inside the two minutes in which the stream knows a repeated id. */
const giveUpMs = 60_000;
/** Publishes without an answer yet. Past this the replay falls behind, which waiting times then show. */
const maxInFlight = 256;

/**
 * Publishes each job when it is due, and again until the stream has acknowledged it.
 *
 * @param onPublished called with each acknowledged job.
 * @param stop ends the replay early; what was begun is still finished.
 * @throws PenstockError `PublishFailed` when the stream did not acknowledge a job for a minute.
 */
export async function replay(
  jobs: readonly TraceJob[],
  broker: Broker,
  clock: Clock,
  onPublished: (job: PublishedJob) => void,
  stop: AbortSignal,
): Promise<void> {
  const startedAtMs = clock.wallMs();
  const inFlight = new Set<Promise<void>>();
  for (const [index, job] of jobs.entries()) {
    const dueAtMs = startedAtMs + secondsToMs(job.atSeconds);
    await sleep(Math.max(0, dueAtMs - clock.wallMs()), undefined, { signal: stop }).catch(() => undefined);
    if (stop.aborted) break;
    const published = { id: `job-${index + 1}`, dueAtMs };
    const payload = JSON.stringify({ id: published.id, serviceMs: job.serviceMs, enqueuedAt: dueAtMs });
    const publishing = publishUntilAcked(broker, published.id, payload, clock)
      .then(() => onPublished(published))
      .finally(() => inFlight.delete(publishing));
    inFlight.add(publishing);
    if (inFlight.size >= maxInFlight) await Promise.race(inFlight);
  }
  await Promise.all(inFlight);
}

async function publishUntilAcked(broker: Broker, id: string, payload: string, clock: Clock): Promise<void> {
  const giveUpAtMs = clock.monotonicMs() + giveUpMs;
  for (;;) {
    try {
      await broker.publish(id, payload);
      return;
    } catch (error) {
      if (clock.monotonicMs() > giveUpAtMs) {
        throw new PenstockError('PublishFailed', `${id} was not acknowledged for ${giveUpMs / 1_000} s`, {
          cause: error,
        });
      }
      await sleep(retryMs);
    }
  }
}
