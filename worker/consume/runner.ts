import type { Msg } from '@nats-io/transport-node';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { HandlerContext, abortReason } from '../handle/context.ts';
import type { Handler } from '../handle/context.ts';
import type { JobTools } from '../handle/tools.ts';
import type { Acks } from '../outcome/acks.ts';
import type { Settler } from '../outcome/settle.ts';
import { isWornOut } from '../outcome/verdict.ts';
import type { Counters } from '../report/counters.ts';
import { AckSubjectReader } from './ackSubject.ts';
import type { Admission } from './admission.ts';
import { Delivery, DeliveredJob } from './job.ts';
import type { Leases } from './lease.ts';
import type { LoopWatch } from './loopWatch.ts';
import type { Slot } from './slot.ts';
import { Slots } from './slots.ts';
import type { Window } from './window.ts';

/** Pulls that were given up may still deliver; a server that sends far more than that gets it back. */
const bufferPerWindow = 4;

export type RunnerParts = {
  readonly handler: Handler;
  readonly tools: JobTools;
  readonly window: Window;
  readonly leases: Leases;
  readonly loopWatch: LoopWatch;
  readonly acks: Acks;
  readonly settler: Settler;
  /** Undefined: every job may start at once. */
  readonly admission: Admission | undefined;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly log: Logger;
  readonly maxAttempts: number;
  readonly jobTimeoutMs: number;
  /** Time from the abort to the moment when a job that goes on counts as stuck. */
  readonly abortGraceMs: number;
  /** Whether the prefetch goes by what the server has left. */
  readonly followsBacklog: boolean;
  /** A slot has become free, or a job has left. */
  readonly onRoom: () => void;
};

/**
 * Runs jobs in slots; what comes while all slots are taken waits in the buffer, in order. If there is an admission, jobs
 * go through it first, and come back by `start`.
 */
export class JobRunner {
  readonly #parts: RunnerParts;
  readonly #slots: Slots;
  readonly #buffer: Delivery[] = [];
  readonly #ackSubjects = new AckSubjectReader();
  /** What the wall clock is ahead of the monotonic one, as of the last sweep: a reading less for each job. */
  #wallAheadMs: number;
  #accepting = true;
  #starting = false;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
    this.#wallAheadMs = wallAheadMs(parts.clock);
    this.#slots = new Slots(parts.window, {
      returned: (slot) => this.#returned(slot),
      threw: (slot, error) => this.#threw(slot, error),
    });
  }

  /** All slots that there are, idle ones too. */
  get slots(): Iterable<Slot> {
    return this.#slots;
  }

  /** All that it holds and has not started. */
  *waiting(): Generator<Delivery> {
    yield* this.#buffer;
    if (this.#parts.admission !== undefined) yield* this.#parts.admission;
  }

  accept(message: Msg, ackSubject: string): void {
    const { counters, leases, log } = this.#parts;
    const deliveries = this.#ackSubjects.deliveries(ackSubject);
    if (deliveries === 0) {
      log.debug({ subject: message.subject }, 'ignored a message that no stream delivered');
      return;
    }
    counters.deliveries += 1;
    const delivery = new Delivery(message, ackSubject, deliveries, leases.leasedSinceMs);
    if (deliveries === 1) {
      counters.firstDeliveries += 1;
      this.#readFirst(delivery);
    }
    this.#admit(delivery);
  }

  #readFirst(delivery: Delivery): void {
    const { followsBacklog, window } = this.#parts;
    delivery.publishedAtMs = this.#ackSubjects.publishedAtMs(delivery.ackSubject);
    if (followsBacklog && delivery.publishedAtMs !== undefined)
      window.backlog = this.#ackSubjects.pending(delivery.ackSubject);
  }

  #admit(delivery: Delivery): void {
    const { window, settler, clock, admission } = this.#parts;
    const room = bufferPerWindow * (window.slots + window.prefetch);
    const isFull = window.buffered >= room || window.waiting >= window.maxWaiting + room;
    if (!this.#accepting || isFull) settler.handBack(delivery, clock.monotonicMs());
    else if (admission === undefined) this.start(delivery);
    else admission.admit(delivery, clock.monotonicMs());
  }

  /** Runs a job as soon as there is a slot for it, after those that already wait for one. */
  start(delivery: Delivery): void {
    const slot = this.#buffer.length === 0 && !this.#starting ? this.#slots.take(delivery.weight) : undefined;
    if (slot !== undefined) {
      this.#run(slot, delivery);
      return;
    }
    this.#buffer.push(delivery);
    this.#parts.window.buffered += 1;
  }

  /** Extends leases and enforces time limits. */
  sweep(nowMs: number, connected: boolean): void {
    this.#wallAheadMs = wallAheadMs(this.#parts.clock);
    this.#parts.loopWatch.sweep(nowMs, this.#slots);
    for (const delivery of this.#buffer) this.#extend(delivery, nowMs, connected);
    this.#sweepAdmission(nowMs, connected);
    this.#sweepStates(nowMs);
    for (const slot of this.#slots) {
      if (slot.phase !== 'running') continue;
      this.#extend(slot.delivery, nowMs, connected);
      this.#limit(slot, nowMs);
    }
  }

  /** Starts nothing more, and gives back what has not started. */
  handBackBuffered(): void {
    const { settler, clock, window, admission } = this.#parts;
    this.#accepting = false;
    const nowMs = clock.monotonicMs();
    const { waiting, retries } = admission?.close() ?? { waiting: [], retries: [] };
    // In this order, jobs of a key come back to the server as they came; how it delivers them is its own affair.
    for (const { item, dueMs } of retries) settler.defer(item, nowMs, Math.max(0, dueMs - nowMs));
    for (const delivery of [...this.#buffer.splice(0), ...waiting]) settler.handBack(delivery, nowMs);
    window.buffered = 0;
  }

  /** Starts jobs again. */
  resume(): void {
    this.#accepting = true;
    this.#parts.admission?.open();
  }

  /** Tells running handlers that the worker ends. */
  interrupt(): void {
    for (const slot of this.#slots) {
      if (slot.phase === 'running')
        slot.context.abort(abortReason('ShutdownError', 'the worker is shutting down'));
    }
  }

  /** Gives back what still runs; what its handlers say later is ignored. */
  handBackRunning(): void {
    const { settler, clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    for (const slot of this.#slots) {
      if (slot.phase !== 'running') continue;
      settler.handBack(slot.delivery, nowMs);
      this.#giveUp(slot, nowMs);
    }
  }

  /** Time in slots of the jobs that run now, milliseconds. */
  busyMs(nowMs: number): number {
    let sum = 0;
    for (const slot of this.#slots) {
      if (slot.phase === 'running') sum += (nowMs - slot.startedMs) * slot.delivery.weight;
    }
    return sum;
  }

  oldestRunningMs(nowMs: number): number {
    let oldest = 0;
    for (const slot of this.#slots) {
      if (slot.phase === 'running') oldest = Math.max(oldest, nowMs - slot.startedMs);
    }
    return oldest;
  }

  #run(slot: Slot, delivery: Delivery): void {
    const { tools, window, clock, jobTimeoutMs } = this.#parts;
    const nowMs = clock.monotonicMs();
    if (!this.#isWorthRunning(delivery, nowMs)) {
      this.#slots.giveBack(slot);
      return;
    }
    if (delivery.attempt === 1) this.#noteWait(delivery, nowMs);
    const job = new DeliveredJob(delivery);
    const deadlineMs = nowMs + jobTimeoutMs;
    const context = new HandlerContext(job, tools, deadlineMs, slot);
    slot.begin(delivery, context, nowMs, deadlineMs);
    window.running += delivery.weight;
    this.#call(slot, job, context);
  }

  /** A handler that returns at once ends at the time that the loop watch reads anyhow. */
  #call(slot: Slot, job: DeliveredJob, context: HandlerContext): void {
    let pending: Promise<unknown> | undefined;
    try {
      const result = this.#parts.handler(job, context);
      // Only what may be a promise costs one; anything else has ended.
      if (typeof result === 'object' && result !== null) pending = Promise.resolve(result);
    } catch (error) {
      this.#fail(slot, error, this.#noteCalled(slot));
      return;
    }
    const nowMs = this.#noteCalled(slot);
    if (pending === undefined) this.#finish(slot, nowMs);
    else slot.follow(pending);
  }

  /** @returns the time, monotonic milliseconds. */
  #noteCalled({ delivery, startedMs }: Slot): number {
    const { clock, loopWatch } = this.#parts;
    const nowMs = clock.monotonicMs();
    loopWatch.called(delivery, startedMs, nowMs);
    return nowMs;
  }

  #noteWait({ publishedAtMs }: Delivery, nowMs: number): void {
    if (publishedAtMs !== undefined) this.#parts.counters.waited(nowMs + this.#wallAheadMs - publishedAtMs);
  }

  /** What speaks against it has been carried out when this is false. */
  #isWorthRunning(delivery: Delivery, nowMs: number): boolean {
    const { leases, settler, admission, maxAttempts } = this.#parts;
    if (!leases.isHeld(delivery, nowMs)) {
      settler.lost(delivery);
      return false;
    }
    const why = admission?.expiryOf(delivery);
    if (why !== undefined) {
      settler.expire(delivery, nowMs, why);
      return false;
    }
    if (!delivery.isReprieved && isWornOut(delivery.attempt, maxAttempts)) {
      settler.exhaust(delivery, nowMs, () => {
        delivery.isReprieved = true;
        this.#admitReprieved(delivery);
      });
      return false;
    }
    return true;
  }

  /** It has been admitted before, and still holds its lane. */
  #admitReprieved(delivery: Delivery): void {
    if (this.#accepting) this.start(delivery);
    else this.#parts.settler.handBack(delivery, this.#parts.clock.monotonicMs());
  }

  #returned(slot: Slot): void {
    if (slot.phase === 'stuck') this.#recover(slot);
    else this.#finish(slot, this.#parts.clock.monotonicMs());
    this.#startBuffered();
  }

  #threw(slot: Slot, error: unknown): void {
    if (slot.phase === 'stuck') this.#recover(slot);
    else this.#fail(slot, error, this.#parts.clock.monotonicMs());
    this.#startBuffered();
  }

  /** What the job has published is stored before the job is acked. */
  #finish(slot: Slot, nowMs: number): void {
    const unstored = slot.context.unstored();
    if (unstored === undefined) this.#succeed(slot, nowMs);
    else slot.follow(unstored);
  }

  #succeed(slot: Slot, nowMs: number): void {
    const { delivery, startedMs } = slot;
    this.#release(slot, nowMs);
    this.#parts.settler.succeed(delivery, nowMs, nowMs - startedMs);
  }

  #fail(slot: Slot, error: unknown, nowMs: number): void {
    const { delivery, context } = slot;
    this.#release(slot, nowMs);
    const { abortReason: reason } = context;
    if (reason?.name === 'TimeoutError') this.#parts.counters.timedOut += 1;
    const interrupted = reason?.name === 'ShutdownError';
    this.#parts.settler.fail(delivery, nowMs, { error, attempt: delivery.attempt, interrupted });
  }

  #release(slot: Slot, nowMs: number): void {
    const { weight } = slot.delivery;
    this.#parts.window.running -= weight;
    this.#parts.counters.busySlotMs += (nowMs - slot.startedMs) * weight;
    this.#parts.loopWatch.left(slot.delivery, nowMs);
    slot.end();
    this.#slots.giveBack(slot);
  }

  /** There may be more slots than before. */
  fill(): void {
    this.#startBuffered();
  }

  /** Not in itself: a job that ends at once may free the next of its lane, and so on. */
  #startBuffered(): void {
    const { window, onRoom } = this.#parts;
    if (this.#starting) return;
    this.#starting = true;
    for (let next = this.#buffer[0]; next !== undefined; next = this.#buffer[0]) {
      const slot = this.#slots.take(next.weight);
      if (slot === undefined) break;
      this.#buffer.shift();
      window.buffered -= 1;
      this.#run(slot, next);
    }
    this.#starting = false;
    onRoom();
  }

  #sweepStates(nowMs: number): void {
    const { slotStates } = this.#parts.tools;
    if (slotStates === undefined) return;
    for (const slot of this.#slots) if (slot.phase !== 'idle') slotStates.seeBusy(slot, nowMs);
    slotStates.sweep(nowMs);
  }

  #sweepAdmission(nowMs: number, connected: boolean): void {
    const { admission, leases, settler } = this.#parts;
    if (admission === undefined) return;
    for (const delivery of admission) this.#extend(delivery, nowMs, connected);
    for (const delivery of admission.takeOut((waiting) => !leases.isHeld(waiting, nowMs)))
      settler.lost(delivery);
  }

  #extend(delivery: Delivery, nowMs: number, connected: boolean): void {
    const { leases, acks } = this.#parts;
    if (connected && leases.isHeld(delivery, nowMs) && leases.isExtensionDue(delivery, nowMs)) {
      acks.extend(delivery, nowMs);
    }
  }

  #limit(slot: Slot, nowMs: number): void {
    const { leases, jobTimeoutMs, abortGraceMs, counters, settler, log } = this.#parts;
    if (!leases.isHeld(slot.delivery, nowMs)) {
      slot.context.abort(abortReason('LeaseLostError', 'the lease is over; another worker may run this job'));
    }
    if (nowMs < slot.deadlineMs) return;
    const timeout = abortReason('TimeoutError', `the job passed its time limit of ${jobTimeoutMs} ms`);
    slot.context.abort(timeout);
    if (nowMs < slot.deadlineMs + abortGraceMs) return;
    const { delivery } = slot;
    counters.timedOut += 1;
    this.#giveUp(slot, nowMs);
    log.error(
      { subject: delivery.message.subject },
      'job is stuck: it ignores the abort; its slot is counted out',
    );
    settler.fail(delivery, nowMs, { error: timeout, attempt: delivery.attempt, interrupted: false });
  }

  /** The job goes on, but no longer in our name. */
  #giveUp(slot: Slot, nowMs: number): void {
    const { window, counters } = this.#parts;
    const { weight } = slot.delivery;
    window.running -= weight;
    window.stuck += weight;
    counters.busySlotMs += (nowMs - slot.startedMs) * weight;
    slot.phase = 'stuck';
  }

  #recover(slot: Slot): void {
    this.#parts.window.stuck -= slot.delivery.weight;
    slot.end();
    this.#slots.giveBack(slot);
  }
}

function wallAheadMs(clock: Clock): number {
  return clock.wallMs() - clock.monotonicMs();
}
