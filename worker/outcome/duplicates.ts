import { hash } from 'node:crypto';
import { describeError } from '#common/errors.ts';
import type { Logger } from '#common/log.ts';
import { sleep } from '#common/sleep.ts';
import type { Job } from '../consume/job.ts';
import type { Handler } from '../handle/context.ts';
import { bucketStream } from '../jetstream/bucket.ts';
import type { Bucket, Entry } from '../jetstream/bucket.ts';
import type { WantedStream } from '../jetstream/ensureStream.ts';
import type { Counters } from '../report/counters.ts';
import { NotStarted } from './verdict.ts';

/** How long a job waits before it asks again whether it was done. */
const askAgainMs = 1_000;

export type DedupeSettings = {
  readonly bucket: string;
  /** How long a job is remembered after it was done. */
  readonly ttlMs: number;
  /** Whether to create the bucket when it is missing. */
  readonly create: boolean;
  /** What becomes of a job while the bucket cannot be read: it waits in its slot, or runs all the same. */
  readonly whenUnknown: 'wait' | 'run';
};

export function doneSetStream({ bucket, ttlMs, create }: DedupeSettings): WantedStream {
  return bucketStream(bucket, { holds: 'jobs that are done', create, maxAgeMs: ttlMs });
}

export type DoneSetParts = {
  readonly bucket: Bucket;
  readonly consumer: string;
  readonly whenUnknown: 'wait' | 'run';
  readonly counters: Counters;
  readonly log: Logger;
};

/**
 * The jobs that this consumer has done, by idempotency key. Another consumer of the same stream does other work with
 * the same jobs, so its jobs are others.
 */
export class DoneSet {
  readonly #parts: DoneSetParts;
  #isReadable = true;

  constructor(parts: DoneSetParts) {
    this.#parts = parts;
  }

  /**
   * Whether the job was done before, by any worker of this consumer.
   *
   * @throws NotStarted when that stayed unknown until the signal was aborted: the job has not run.
   */
  async has(job: Job, signal: () => AbortSignal): Promise<boolean> {
    const { whenUnknown, counters } = this.#parts;
    const key = this.#keyOf(job);
    for (;;) {
      const seen = await this.#look(key);
      if (seen !== 'unknown') return seen !== undefined;
      counters.duplicatesUnknown += 1;
      if (whenUnknown === 'run') return false;
      await sleep(askAgainMs, signal());
      if (signal().aborted) throw new NotStarted('whether the job was done before could not be read in time');
    }
  }

  /** Remembers the job. A record that cannot be written is counted: the ack still keeps the job from running again. */
  async add(job: Job): Promise<void> {
    const { bucket, counters, log } = this.#parts;
    const { stream, sequence, attempt } = job;
    try {
      await bucket.write(this.#keyOf(job), `${stream}:${sequence} in delivery ${attempt}`);
    } catch (error) {
      counters.duplicatesUnrecorded += 1;
      log.warn({ sequence, error: describeError(error) }, 'a done job was not recorded as done');
    }
  }

  async #look(key: string): Promise<Entry | undefined | 'unknown'> {
    const { bucket, log } = this.#parts;
    try {
      const entry = await bucket.read(key);
      if (!this.#isReadable) log.info({ bucket: bucket.name }, 'the jobs that are done can be read again');
      this.#isReadable = true;
      return entry;
    } catch (error) {
      // Once, and not for each job: all of them find the same.
      if (this.#isReadable)
        log.error({ error: describeError(error) }, 'the jobs that are done cannot be read');
      this.#isReadable = false;
      return 'unknown';
    }
  }

  /** Keys are anybody's text of any length; a digest is one token of 43 characters. */
  #keyOf(job: Job): string {
    return hash('sha256', `${job.stream}\n${this.#parts.consumer}\n${job.idempotencyKey}`, 'base64url');
  }
}

/**
 * Acks jobs that were done before without running them. The record is written after the effect and before the ack: a
 * job runs twice only when its worker dies between its effect and the record, or when it runs in two places at once.
 */
export function skipDone(handler: Handler, done: DoneSet, counters: Counters): Handler {
  return async (job, context) => {
    if (await done.has(job, () => context.signal)) {
      counters.duplicatesSkipped += 1;
      context.logger.debug({ key: job.idempotencyKey }, 'done before; acked without running');
      return;
    }
    await handler(job, context);
    await context.flush();
    await done.add(job);
  };
}
