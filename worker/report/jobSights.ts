import { parseAckSubject } from '../consume/ackSubject.ts';
import type { Delivery } from '../consume/job.ts';
import type { Leases } from '../consume/lease.ts';
import type { Slot } from '../consume/slot.ts';

/** Rows of the page at most: it is for people, and must stay small in a worker with thousands of slots. */
const maxJobs = 1_000;
const maxSubjectChars = 255;

/** One job that the worker holds, as /debug/jobs shows it. Neither payload nor headers. */
type JobSight = {
  readonly sequence: number;
  readonly subject: string;
  /** Deliveries so far. */
  readonly attempt: number;
  /**
   * `waiting` for its slot, its key or its rate; `running`; `aborted`, which still runs; `stuck`, which ignores the
   * abort and is counted out.
   */
  readonly phase: 'waiting' | 'running' | 'aborted' | 'stuck';
  /** Time in its slot. */
  readonly runningSeconds?: number;
  /** Until another worker may get it; below 0: it may have got it. */
  readonly leaseSeconds: number;
  /** `TimeoutError`, `ShutdownError` or `LeaseLostError`. */
  readonly abortReason?: string;
  /** ISO 8601, UTC. */
  readonly publishedAt: string;
};

export type JobsPage = {
  /** Jobs that the worker holds; not all of them are shown when there are more than 1,000. */
  readonly held: number;
  /** The longest running first, then those that wait. */
  readonly jobs: readonly JobSight[];
};

/** @param nowMs monotonic. */
export function lookAtJobs(
  slots: Iterable<Slot>,
  waiting: Iterable<Delivery>,
  leases: Leases,
  nowMs: number,
): JobsPage {
  const leaseSeconds = (delivery: Delivery): number => toSeconds(leases.remainingMs(delivery, nowMs));
  const busy = [...slots].filter(({ phase }) => phase !== 'idle');
  busy.sort((a, b) => a.startedMs - b.startedMs);
  const rest = [...waiting];
  const jobs = [
    ...busy
      .slice(0, maxJobs)
      .map((slot) => ({ ...inSlot(slot, nowMs), leaseSeconds: leaseSeconds(slot.delivery) })),
    ...rest.slice(0, Math.max(0, maxJobs - busy.length)).map((delivery) => ({
      ...describe(delivery),
      phase: 'waiting' as const,
      leaseSeconds: leaseSeconds(delivery),
    })),
  ];
  return { held: busy.length + rest.length, jobs };
}

function inSlot(
  { delivery, context, startedMs, phase }: Slot,
  nowMs: number,
): Omit<JobSight, 'leaseSeconds'> {
  const { abortReason } = context;
  const running = abortReason === undefined ? 'running' : 'aborted';
  return {
    ...describe(delivery),
    phase: phase === 'stuck' ? phase : running,
    runningSeconds: toSeconds(nowMs - startedMs),
    ...(abortReason !== undefined && { abortReason: abortReason.name }),
  };
}

function describe(delivery: Delivery): Omit<JobSight, 'phase' | 'leaseSeconds'> {
  const facts = parseAckSubject(delivery.ackSubject);
  return {
    sequence: facts?.streamSequence ?? 0,
    subject: delivery.message.subject.slice(0, maxSubjectChars),
    attempt: delivery.attempt,
    publishedAt: new Date(facts?.publishedAtMs ?? 0).toISOString(),
  };
}

/** Milliseconds say enough. */
const toSeconds = (ms: number): number => Math.round(ms) / 1_000;
