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
const name = z.string().min(1).max(253);

const workerStates = ['starting', 'running', 'draining', 'stopped'] as const;
export type WorkerState = (typeof workerStates)[number];

const breakerStates = ['closed', 'open', 'half-open'] as const;
export type BreakerState = (typeof breakerStates)[number];

/** Upper bounds of the waits that a heartbeat counts, seconds; one more count is beyond them all. */
export const waitBoundsSeconds: readonly number[] = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 86_400,
];

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
    .object({ count, sumMs: milliseconds, sumSquaresMs2: milliseconds })
    .describe('Run time of the jobs that succeeded: number, sum, and sum of squares.'),
  waits: z
    .array(count)
    .length(waitBoundsSeconds.length + 1)
    .optional()
    .describe(
      'Jobs by the time from being stored to the start of their first attempt: up to 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 86400 s, and longer; not cumulative.',
    ),
});

export type Heartbeat = z.infer<typeof heartbeatSchema>;

/** Stream and consumer names contain no dot, blank or wildcard, so both are one token. */
export function heartbeatSubject(stream: string, consumer: string): string {
  return `penstock.heartbeat.v1.${stream}.${consumer}`;
}
