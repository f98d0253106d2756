import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import type { Counters } from '../report/counters.ts';
import { parseAckSubject } from './ackSubject.ts';
import type { Delivery } from './job.ts';
import type { Leases } from './lease.ts';
import type { Slot } from './slot.ts';

/** Named at most: a worker with hundreds of slots would fill the log. */
const maxSuspects = 10;

export type LoopWatchParts = {
  readonly leases: Leases;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly log: Logger;
};

type NamedJob = { readonly subject: string; readonly sequence: number; readonly attempt: number };

/**
 * Reports, afterwards, that the event loop stood still for longer than `ack_wait`, and which job it ran: then no lease
 * could be extended. The sweep notices the gap; a clock reading after each call of the handler tells which one took the
 * time. That covers what a handler does before its first `await`; for what it does later, those that ran are named.
 */
export class LoopWatch {
  readonly #parts: LoopWatchParts;
  #lastSweepMs: number;
  /** Ended since the last sweep, when that was long ago. */
  #ended: NamedJob[] = [];
  #longest: { readonly delivery: Delivery; readonly ms: number } | undefined;

  constructor(parts: LoopWatchParts) {
    this.#parts = parts;
    this.#lastSweepMs = parts.clock.monotonicMs();
  }

  /** The handler was called then, and has returned now, with or without a promise. */
  called(delivery: Delivery, calledMs: number, nowMs: number): void {
    const ms = nowMs - calledMs;
    if (ms > this.#parts.leases.ackWaitMs / 2) this.#keepLonger(delivery, ms);
  }

  /** A job has left its slot. */
  left(delivery: Delivery, nowMs: number): void {
    const isSuspect = nowMs - this.#lastSweepMs > this.#parts.leases.ackWaitMs;
    if (isSuspect && this.#ended.length < maxSuspects) this.#ended.push(nameJob(delivery));
  }

  sweep(nowMs: number, slots: Iterable<Slot>): void {
    const { leases, counters, log } = this.#parts;
    const stoodStillMs = nowMs - this.#lastSweepMs;
    this.#lastSweepMs = nowMs;
    const longest = this.#longest;
    const ended = this.#ended;
    this.#longest = undefined;
    this.#ended = [];
    if (stoodStillMs <= leases.ackWaitMs) return;
    counters.loopBlocks += 1;
    const found =
      longest === undefined
        ? { suspects: [...ended, ...running(slots, nowMs - stoodStillMs)].slice(0, maxSuspects) }
        : { job: nameJob(longest.delivery), jobMs: Math.round(longest.ms) };
    log.error(
      { stoodStillMs: Math.round(stoodStillMs), ackWaitMs: leases.ackWaitMs, ...found },
      'the event loop stood still for longer than ack_wait; the jobs that were held may run twice at once',
    );
  }

  #keepLonger(delivery: Delivery, ms: number): void {
    if (this.#longest === undefined || ms > this.#longest.ms) this.#longest = { delivery, ms };
  }
}

function* running(slots: Iterable<Slot>, sinceMs: number): Generator<NamedJob> {
  for (const slot of slots) {
    if (slot.phase !== 'idle' && slot.startedMs <= sinceMs) yield nameJob(slot.delivery);
  }
}

function nameJob({ message, ackSubject, attempt }: Delivery): NamedJob {
  return { subject: message.subject, sequence: parseAckSubject(ackSubject)?.streamSequence ?? 0, attempt };
}
