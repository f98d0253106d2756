import { waitBoundsSeconds } from '#common/heartbeat.ts';

/** Upper bounds of the service-time histogram, seconds. */
export const serviceBucketsSeconds: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
];

const serviceBoundsMs = serviceBucketsSeconds.map((seconds) => seconds * 1_000);
const waitBoundsMs = waitBoundsSeconds.map((seconds) => seconds * 1_000);

/**
 * What this process has done, as plain numbers: bumped on the hot path, read by heartbeats and metrics. All grow only.
 */
export class Counters {
  deliveries = 0;
  firstDeliveries = 0;
  succeeded = 0;
  /** Jobs that failed, each time: by an error or their time limit, not those that were discarded or interrupted. */
  failed = 0;
  /** Of the succeeded: those that took longer than the breaker's limit. */
  slow = 0;
  breakerOpenings = 0;
  retried = 0;
  /** Of the retried: those that waited longer because the retry budget was empty. */
  retriesDelayed = 0;
  deadLettered = 0;
  timedOut = 0;
  handedBack = 0;
  leaseLost = 0;
  /** Of the retried: those that this worker kept, since their order matters. */
  retriedInPlace = 0;
  /** Calls of a batch handler, and how many of them had as many jobs as a batch may have. */
  batches = 0;
  fullBatches = 0;
  /** Jobs that had to wait for another one of their key. */
  laneWaits = 0;
  /** Jobs that had to wait for the rate of their key or of the worker, and for how long in all, milliseconds. */
  rateWaits = 0;
  rateWaitMs = 0;
  /** Jobs sent back for a while because of the limit of their key. */
  rejected = 0;
  /** Jobs given up unrun because they were too old, or past their deadline. */
  expired = 0;
  /** Jobs that had had too many deliveries, but not too many attempts. */
  reprieved = 0;
  /** Time in slots of jobs that have ended, milliseconds. */
  busySlotMs = 0;
  /** Run time of jobs that succeeded, milliseconds. */
  serviceSumMs = 0;
  serviceSumSquaresMs2 = 0;
  serviceCount = 0;
  /** Jobs per bucket of `serviceBucketsSeconds`, not cumulative; the last one is beyond all bounds. */
  readonly serviceBuckets: number[] = Array.from({ length: serviceBucketsSeconds.length + 1 }, () => 0);
  /** First attempts per bucket of `waitBoundsSeconds`, not cumulative; the last one is beyond all bounds. */
  readonly waitBuckets: number[] = Array.from({ length: waitBoundsSeconds.length + 1 }, () => 0);
  waitSumMs = 0;
  deadLetterFailures = 0;
  /** Of the succeeded: those that did not run, as they were done before. */
  duplicatesSkipped = 0;
  /** Times that the jobs that are done could not be read. */
  duplicatesUnknown = 0;
  /** Jobs that were done and could not be recorded as done. */
  duplicatesUnrecorded = 0;
  /** Works of single flights that were called here. */
  flightsLed = 0;
  /** Jobs that got the result of a single flight of this worker that another job had begun. */
  flightsShared = 0;
  /** Single flights that could not reach their bucket, and were single in this worker only. */
  flightsUnguarded = 0;
  /** Times that the event loop stood still for longer than `ack_wait`. */
  loopBlocks = 0;
  strayRejections = 0;
  unconfirmedAcks = 0;
  pulls = 0;
  /** Pulls renewed because the server had fallen silent. */
  watchdogRepulls = 0;
  /** Times that the server was told to start over, as messages waited and none came. */
  stalls = 0;
  /** Statuses of the server that voided all pulls. */
  voidedPulls = 0;
  reconnects = 0;

  limited(waitMs: number): void {
    this.rateWaits += 1;
    this.rateWaitMs += waitMs;
  }

  /** @param waitMs from being stored to the first attempt; clocks that disagree can make it negative. */
  waited(waitMs: number): void {
    const bucket = bucketOf(waitMs, waitBoundsMs);
    this.waitBuckets[bucket] = (this.waitBuckets[bucket] ?? 0) + 1;
    this.waitSumMs += Math.max(0, waitMs);
  }

  served(durationMs: number): void {
    this.serviceCount += 1;
    this.serviceSumMs += durationMs;
    this.serviceSumSquaresMs2 += durationMs * durationMs;
    const bucket = bucketOf(durationMs, serviceBoundsMs);
    this.serviceBuckets[bucket] = (this.serviceBuckets[bucket] ?? 0) + 1;
  }
}

/** The first bound that the value does not exceed, or one beyond the last. */
function bucketOf(value: number, bounds: readonly number[]): number {
  let bucket = 0;
  while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket += 1;
  return bucket;
}
