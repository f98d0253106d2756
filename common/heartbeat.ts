import { z } from 'zod';

/**
 * What a worker tells about itself, once a second and at every change of state, as JSON on core NATS (not stored).
 * Both sides share this file; docs/heartbeats.md describes it for workers in other languages.
 *
 * Figures under `totals`, `service` and `waits` only ever grow while `startedAtMs` stays the same, so a lost heartbeat loses
 * nothing and two heartbeats give exact rates. The operator never trusts them alone: see operator/observe.
 */
export const heartbeatVersion = 1;
export const heartbeatIntervalMs = 1_000;
/** A longer payload is dropped unread. */
export const heartbeatMaxBytes = 8_192;

const count = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
const milliseconds = z.number().nonnegative().max(Number.MAX_SAFE_INTEGER);
/** Of a named limit; may have a fraction. */
const amount = z.number().nonnegative().max(Number.MAX_SAFE_INTEGER);
const name = z.string().min(1).max(253);
/** Long jobs pass 2^53 ms² within days. Sums over all workers stay finite all the same. */
const squaresMs2 = z
  .number()
  .nonnegative()
  .max(Number.MAX_SAFE_INTEGER ** 2);

/** A heartbeat has room for so many named limits, and so much of their names; the metrics have them all. */
export const heartbeatLimits = { most: 8, nameChars: 64 } as const;

const workerStates = ['starting', 'running', 'draining', 'stopped'] as const;
export type WorkerState = (typeof workerStates)[number];

const breakerStates = ['closed', 'open', 'half-open'] as const;
export type BreakerState = (typeof breakerStates)[number];

/** Upper bounds of the waits that a heartbeat counts, seconds; one more count is beyond them all. */
export const waitBoundsSeconds: readonly number[] = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 86_400,
];

/** What optional features have done: for people, and none of it is needed to decide. */
const features = z.object({
  lanes: z
    .object({ keys: count, waits: count, retriedInPlace: count })
    .optional()
    .describe(
      'Order per key: keys that have work, jobs that waited for another one of theirs, retries kept.',
    ),
  rates: z
    .object({ waits: count, waitMs: milliseconds })
    .optional()
    .describe('Jobs that waited for a rate, and for how long in all.'),
  overload: z
    .object({ rejected: count, expired: count })
    .optional()
    .describe('Jobs sent back by the rate of their key, and jobs given up as too old.'),
  retryBudget: z
    .object({ left: count, delayed: count })
    .optional()
    .describe('Quick retries that are granted now, and retries that had to wait longer.'),
  limits: z
    .array(
      z.object({
        name: z.string().max(heartbeatLimits.nameChars),
        size: amount,
        used: amount,
        waiting: count,
        waits: count,
        waitMs: milliseconds,
      }),
    )
    .max(heartbeatLimits.most)
    .optional()
    .describe('Named limits: how much there is and is taken, who waits now, who waited, and for how long.'),
  singleFlights: z
    .object({ led: count, shared: count, unguarded: count })
    .optional()
    .describe('Works called here, jobs that shared the result of another, works without their bucket.'),
  duplicates: z
    .object({ skipped: count, unknown: count, unrecorded: count })
    .optional()
    .describe('Jobs that were done before; times that this could not be read; done jobs not recorded.'),
  batches: z.object({ calls: count, full: count }).optional().describe('Calls of a batch handler.'),
  published: z
    .object({ inFlight: count, waiting: count, stored: count, failed: count })
    .optional()
    .describe('Messages of jobs: unconfirmed, waiting for room, stored, not stored.'),
  threads: z
    .object({ running: count, lost: count })
    .optional()
    .describe('Threads that are there now, and those that were killed or died.'),
  reprieved: count.optional().describe('Jobs kept, as some of their deliveries were no attempts.'),
  slotStates: count.optional().describe('Slots that keep something now.'),
});
export type FeatureFigures = z.infer<typeof features>;

export const heartbeatSchema = z.object({
  version: z.literal(heartbeatVersion).describe('Version of this schema.'),
  worker: name.describe('Unique per process.'),
  replica: name.describe(
    'The name under which the host knows this process: pod name, or local replica name.',
  ),
  stream: name,
  consumer: name,
  startedAtMs: count.describe(
    'Start of the process, milliseconds since 1970. Totals restart when it changes.',
  ),
  sequence: count.describe('Grows by one with each heartbeat of this process.'),
  state: z.enum(workerStates),
  breaker: z
    .enum(breakerStates)
    .optional()
    .describe(
      'Whether jobs are taken: not while `open`, a few at a time while `half-open`. Absent without a breaker.',
    ),
  slots: count.describe('Jobs that this process can run at once.'),
  busy: count.describe('Jobs that run now.'),
  buffered: count.describe('Jobs delivered to this process and not started.'),
  stuck: count.describe(
    'Jobs past their time limit that ignore the abort; their slots are counted out of `slots`.',
  ),
  oldestRunningMs: milliseconds.describe('Age of the longest running job, 0 when idle.'),
  totals: z.object({
    deliveries: count.describe('Messages received.'),
    firstDeliveries: count.describe('Messages received with delivery count 1.'),
    succeeded: count.describe('Jobs acked.'),
    retried: count.describe('Jobs handed back after a failure, to be tried again.'),
    deadLettered: count.describe('Jobs given up: discarded, or out of attempts.'),
    timedOut: count.describe('Jobs that passed their time limit (also counted as retried or dead-lettered).'),
    handedBack: count.describe(
      'Jobs returned unstarted or unfinished, which is no failure: at a stop, by an open breaker, or beside one that failed its batch fast.',
    ),
    leaseLost: count.describe('Jobs whose lease ended before they were settled.'),
    busySlotMs: milliseconds.describe('Sum over slots of the time a job ran in them, running jobs included.'),
    slotMs: milliseconds.describe(
      'Sum over slots of the time they were open for jobs: `slots` × running time.',
    ),
  }),
  service: z
    .object({ count, sumMs: milliseconds, sumSquaresMs2: squaresMs2 })
    .describe('Run time of the jobs that succeeded: number, sum, and sum of squares.'),
  waits: z
    .array(count)
    .length(waitBoundsSeconds.length + 1)
    .optional()
    .describe(
      'Jobs by the time from being stored to the start of their first attempt: up to 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 86400 s, and longer; not cumulative.',
    ),
  features: features
    .optional()
    .describe('What optional features have done. One that has nothing to tell is absent.'),
});

export type Heartbeat = z.infer<typeof heartbeatSchema>;

/** Stream and consumer names contain no dot, blank or wildcard, so both are one token. */
export function heartbeatSubject(stream: string, consumer: string): string {
  return `penstock.heartbeat.v1.${stream}.${consumer}`;
}
