import { hash } from 'node:crypto';
import { z } from 'zod';
import { PenstockError, describeError } from '#common/errors.ts';
import type { Logger } from '#common/log.ts';
import { sleep } from '#common/sleep.ts';
import { bucketStream } from '../jetstream/bucket.ts';
import type { Bucket, Entry } from '../jetstream/bucket.ts';
import type { WantedStream } from '../jetstream/ensureStream.ts';
import type { Counters } from '../report/counters.ts';
import type { FlightOptions, FlightWork } from './flight.ts';

const firstPollMs = 20;
const longestPollMs = 500;
const renewalsPerLock = 3;
/** No entry outlives this, whatever was asked for. */
const maxAgeMs = 86_400_000;

export type FleetFlightSettings = {
  readonly bucket: string;
  /** Whether to create the bucket when it is missing. */
  readonly create: boolean;
  /** How long the lock of a worker that died keeps the others waiting. */
  readonly lockMs: number;
};

export function flightStream({ bucket, create }: FleetFlightSettings): WantedStream {
  return bucketStream(bucket, { holds: 'locks and shared results', create, maxAgeMs });
}

export type FleetFlightsParts = {
  readonly bucket: Bucket;
  readonly lockMs: number;
  readonly counters: Counters;
  readonly log: Logger;
};

const stateSchema = z.union([
  z.object({ state: z.literal('flying') }),
  z.object({ state: z.literal('over') }),
  z.object({ state: z.literal('landed'), value: z.unknown() }),
]);
type State = z.infer<typeof stateSchema>;

/**
 * Takes care that one worker of the fleet works for all. Each key has one entry in the bucket, which always ends by
 * itself:
 *
 *   (none) or over ──conditional write──→ flying, renewed while the work goes on ──→ landed, with the result
 *                                            └──failed, or a result that is not shared──→ over
 *
 * This spares the origin; it is no mutual exclusion. A worker that is cut off from the bucket works for itself, and one
 * whose lock ended while it was frozen goes on beside the next.
 */
export class FleetFlights {
  readonly #parts: FleetFlightsParts;

  constructor(parts: FleetFlightsParts) {
    this.#parts = parts;
  }

  /** @throws what the work throws, or the reason of the signal. */
  async fly<T>(key: string, work: FlightWork<T>, signal: AbortSignal, options: FlightOptions): Promise<T> {
    const { bucket, lockMs } = this.#parts;
    const name = hash('sha256', key, 'base64url');
    for (let pollMs = firstPollMs; ; pollMs = Math.min(2 * pollMs, longestPollMs)) {
      let revision: number | undefined;
      try {
        const entry = await bucket.read(name);
        const state = entry && readState(entry);
        // Who uses the same key shares the same: that is what the key says.
        if (state?.state === 'landed') return state.value as T;
        if (state?.state !== 'flying') {
          revision = await bucket.write(name, asText({ state: 'flying' }), {
            after: entry?.revision ?? 0,
            ttlSeconds: lockMs / 1_000,
          });
        }
      } catch (error) {
        return this.#workUnguarded(work, signal, error);
      }
      if (revision !== undefined) return this.#lead(name, revision, work, signal, options);
      await sleep(pollMs, signal);
      signal.throwIfAborted();
    }
  }

  async #lead<T>(
    name: string,
    revision: number,
    work: FlightWork<T>,
    signal: AbortSignal,
    { shareMs }: FlightOptions,
  ): Promise<T> {
    const lock = this.#holdLock(name, revision);
    try {
      const value = await work(signal);
      const text = shareMs === undefined ? undefined : this.#asShared(value);
      await lock.end(text ?? asText({ state: 'over' }), text === undefined ? 0 : (shareMs ?? 0));
      return value;
    } catch (error) {
      await lock.end(asText({ state: 'over' }), 0);
      throw error;
    }
  }

  /** Renews the lock until it is ended by a last write, which lasts for the time that it is given. */
  #holdLock(name: string, revision: number): { end(text: string, lastsMs: number): Promise<void> } {
    const { bucket, lockMs, log } = this.#parts;
    let last: number | undefined = revision;
    const write = async (text: string, lastsMs: number): Promise<void> => {
      if (last === undefined) return;
      try {
        last = await bucket.write(name, text, { after: last, ttlSeconds: lastsMs / 1_000 });
      } catch (error) {
        // The lock ends by itself, and then another worker leads.
        log.warn({ error: describeError(error) }, 'the lock of a single flight could not be written');
      }
    };
    let writes = Promise.resolve();
    const timer = setInterval(() => {
      writes = writes.then(() => write(asText({ state: 'flying' }), lockMs));
    }, lockMs / renewalsPerLock);
    return {
      async end(text, lastsMs) {
        clearInterval(timer);
        await writes;
        await write(text, lastsMs);
      },
    };
  }

  /** @returns undefined, and says why, when the value cannot be shared. */
  #asShared(value: unknown): string | undefined {
    try {
      const text = asText({ state: 'landed', value });
      // JSON leaves out what it cannot say: undefined, functions.
      if (value !== undefined && !text.includes('"value":')) throw new Error(`it is a ${typeof value}`);
      return text;
    } catch (error) {
      this.#parts.log.warn(
        { error: describeError(error) },
        'the result of a single flight is not shared: it is no JSON',
      );
      return undefined;
    }
  }

  async #workUnguarded<T>(work: FlightWork<T>, signal: AbortSignal, error: unknown): Promise<T> {
    const { counters, log } = this.#parts;
    if (!(error instanceof PenstockError)) throw error;
    counters.flightsUnguarded += 1;
    log.warn({ error: describeError(error) }, 'a single flight is alone: its bucket cannot be reached');
    return work(signal);
  }
}

const asText = (state: State): string => JSON.stringify(state);

/** What nobody of us has written counts as a lock of somebody: it is left alone, and its time ends. */
function readState({ value }: Entry): State {
  try {
    return stateSchema.parse(JSON.parse(value));
  } catch {
    return { state: 'flying' };
  }
}
