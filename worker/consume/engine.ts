import type { NatsConnection } from '@nats-io/transport-node';
import type { Clock } from '#common/clock.ts';
import type { BreakerState } from '#common/heartbeat.ts';
import type { Logger } from '#common/log.ts';
import type { Handler } from '../handle/context.ts';
import type { Batcher } from '../handle/batcher.ts';
import { Limits } from '../handle/limits.ts';
import type { LimitView } from '../handle/limits.ts';
import { SlotStates } from '../handle/slotStates.ts';
import type { SlotStateSource } from '../handle/slotStates.ts';
import { FleetFlights } from '../handle/fleetFlights.ts';
import { SingleFlights } from '../handle/singleFlight.ts';
import { JobTools } from '../handle/tools.ts';
import { Bucket } from '../jetstream/bucket.ts';
import type { Settings } from '../options.ts';
import { Acks } from '../outcome/acks.ts';
import { Breaker } from '../outcome/breaker.ts';
import { RetryBudget } from '../outcome/budget.ts';
import { DeadLetters } from '../outcome/deadLetter.ts';
import { DoneSet, skipDone } from '../outcome/duplicates.ts';
import { Forgiven } from '../outcome/forgiven.ts';
import { Settler } from '../outcome/settle.ts';
import type { PublisherStats } from '../produce/publisher.ts';
import type { Counters } from '../report/counters.ts';
import { lookAtJobs } from '../report/jobSights.ts';
import type { JobsPage } from '../report/jobSights.ts';
import { AdaptiveLimit } from './adaptive.ts';
import { Admission } from './admission.ts';
import { consumerSettings } from './consumer.ts';
import type { Consumer } from './consumer.ts';
import { Leases, sweepPeriodMs } from './lease.ts';
import { LoopWatch } from './loopWatch.ts';
import { JobRunner } from './runner.ts';
import { Source } from './source.ts';
import { Share, prefetchFor } from './window.ts';
import type { Window } from './window.ts';

/** Weight of the latest sweep in the mean service time that sizes the prefetch. */
const serviceMeanWeight = 0.2;
const maxDeadLetterMs = 5_000;

export type EngineParts = {
  readonly connection: NatsConnection;
  /** As many as the settings name, in the same order. */
  readonly consumers: readonly Consumer[];
  readonly settings: Settings;
  readonly handler: Handler;
  /** What stands behind the handler when it collects jobs. */
  readonly batcher: Batcher | undefined;
  readonly slotState: SlotStateSource | undefined;
  readonly window: Window;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  /** The breaker has changed its state. */
  readonly onBreaker: () => void;
};

/**
 * Everything between the connection and the handler, and the one timer that looks after it: the sweep extends leases,
 * enforces time limits, repeats lost acks, sizes the prefetch and runs the watchdogs.
 */
export class Engine {
  readonly #parts: EngineParts;
  readonly #leases: Leases;
  readonly #acks: Acks;
  readonly #settler: Settler;
  readonly #tools: JobTools;
  readonly #admission: Admission | undefined;
  readonly #limits: Limits;
  readonly #adaptive: AdaptiveLimit | undefined;
  readonly #runner: JobRunner;
  readonly #sources: readonly Source[];
  readonly #breaker: Breaker | undefined;
  readonly #budget: RetryBudget | undefined;
  readonly #ended = new AbortController();
  #timer: NodeJS.Timeout;
  #connected = true;
  #meanServiceMs: number | undefined;
  #served = { count: 0, sumMs: 0 };
  #waiters: { readonly condition: () => boolean; readonly resolve: () => void }[] = [];

  constructor(parts: EngineParts) {
    const { connection, settings, window, counters, clock, random, log } = parts;
    this.#parts = parts;
    const ackWaitMs = shortestAckWaitMs(parts.consumers);
    this.#leases = new Leases(ackWaitMs, clock.monotonicMs());
    this.#acks = new Acks(connection, settings.nats.inboxPrefix, this.#leases);
    const { breaker } = settings;
    this.#breaker = breaker && new Breaker(breaker, counters, (state) => this.#onBreaker(state));
    const { deadLetter, retryBudget, forgivenStream, maxAttempts } = settings;
    this.#budget = retryBudget && new RetryBudget(retryBudget, counters);
    const admission = this.#createAdmission();
    this.#admission = admission;
    this.#settler = new Settler({
      acks: this.#acks,
      leases: this.#leases,
      window,
      counters,
      clock,
      random,
      log,
      policy: { maxAttempts, backoff: settings.backoff },
      confirmAcks: settings.confirmAcks,
      budget: this.#budget,
      breaker: this.#breaker,
      forgiven:
        forgivenStream === undefined ? undefined : new Forgiven(connection, forgivenStream, maxAttempts),
      deadLetters:
        deadLetter && new DeadLetters(connection, deadLetter, Math.min(maxDeadLetterMs, ackWaitMs / 2)),
      keep: admission && ((delivery, wait) => admission.keep(delivery, wait)),
      onGone: admission && ((delivery) => admission.gone(delivery)),
      onSettled: () => this.#onRoom(),
    });
    const { inboxPrefix } = settings.nats;
    const flights = new SingleFlights(this.#fleetFlights(), counters);
    this.#limits = new Limits(settings.limits, clock);
    this.#tools = new JobTools({
      connection,
      inboxPrefix,
      consumer: settings.consumer,
      clock,
      log,
      flights,
      limits: this.#limits,
      slotStates: parts.slotState && new SlotStates(parts.slotState, log),
    });
    this.#adaptive = settings.adaptive && new AdaptiveLimit(settings.adaptive);
    this.#runner = new JobRunner({
      handler: this.#guarded(parts.handler),
      tools: this.#tools,
      window,
      leases: this.#leases,
      loopWatch: new LoopWatch({ leases: this.#leases, counters, clock, log }),
      acks: this.#acks,
      settler: this.#settler,
      admission,
      counters,
      clock,
      log,
      maxAttempts,
      jobTimeoutMs: settings.jobTimeoutMs,
      abortGraceMs: settings.abortGraceMs,
      // Several consumers have a backlog each, and share one prefetch.
      followsBacklog: settings.prefetch === 'auto' && settings.consumers.length === 1,
      onRoom: () => this.#onRoom(),
    });
    this.#sources = parts.consumers.map((consumer, index) => this.#createSource(consumer, index));
    this.#timer = this.#startSweeping();
  }

  start(): void {
    for (const source of this.#sources) source.start();
  }

  /** Undefined without a breaker. */
  get breakerState(): BreakerState | undefined {
    return this.#breaker?.state;
  }

  /** Whether pulls are being served: connected, and the consumer is there. */
  get isPulling(): boolean {
    return this.#sources.some((source) => source.isPulling);
  }

  /** Keys that have work; 0 without lanes. */
  get lanes(): number {
    return this.#admission?.lanes ?? 0;
  }

  get running(): number {
    return this.#parts.window.running;
  }

  /** Nothing runs, and every result is with the server. */
  get isQuiet(): boolean {
    const { window } = this.#parts;
    return window.running === 0 && window.settling === 0;
  }

  /** How long the buffered jobs would take by what jobs took lately, milliseconds; infinite when that is unknown. */
  get bufferedWorkMs(): number {
    const { buffered, waiting, slots } = this.#parts.window;
    const jobs = buffered + waiting;
    return jobs === 0 ? 0 : Math.ceil(jobs / slots) * (this.#meanServiceMs ?? Infinity);
  }

  /** Resolves when nothing waits to be started. */
  async unbuffered(): Promise<void> {
    const { window } = this.#parts;
    await this.#when(() => window.buffered + window.waiting === 0);
  }

  /** Resolves when the engine is quiet; call it once pulling has stopped. */
  async quiet(): Promise<void> {
    await this.#when(() => this.isQuiet);
  }

  busyMs(nowMs: number): number {
    return this.#runner.busyMs(nowMs);
  }

  oldestRunningMs(nowMs: number): number {
    return this.#runner.oldestRunningMs(nowMs);
  }

  jobs(nowMs: number): JobsPage {
    return lookAtJobs(this.#runner.slots, this.#runner.waiting(), this.#leases, nowMs);
  }

  get limits(): readonly LimitView[] {
    return this.#limits.views;
  }

  /** Quick retries that are granted now; undefined without a budget. */
  retryBudgetLeft(nowMs: number): number | undefined {
    return this.#budget?.remaining(nowMs);
  }

  /** Slots that keep something now. */
  get slotStates(): number {
    return this.#tools.slotStates?.size ?? 0;
  }

  /** Of what jobs publish; undefined until one does. */
  get published(): PublisherStats | undefined {
    return this.#tools.published;
  }

  /** Fewer slots leave running jobs alone; they only start no others until there is room. */
  resize(slots: number): void {
    this.#parts.window.slots = slots;
    this.#runner.fill();
  }

  disconnected(): void {
    this.#connected = false;
    for (const source of this.#sources) source.rest();
  }

  reconnected(): void {
    this.#connected = true;
    this.start();
  }

  async stopPulling(): Promise<void> {
    this.#ended.abort();
    this.#measureService();
    this.#parts.batcher?.flush();
    await Promise.all(this.#sources.map((source) => source.drain()));
  }

  handBackBuffered(): void {
    this.#runner.handBackBuffered();
  }

  interrupt(): void {
    this.#runner.interrupt();
  }

  handBackRunning(): void {
    this.#runner.handBackRunning();
  }

  async close(): Promise<void> {
    this.#ended.abort();
    clearInterval(this.#timer);
    await this.#tools[Symbol.asyncDispose]();
  }

  #fleetFlights(): FleetFlights | undefined {
    const { connection, settings, counters, log } = this.#parts;
    const { singleFlight } = settings;
    if (singleFlight === undefined) return undefined;
    const bucket = new Bucket(connection, singleFlight.bucket);
    return new FleetFlights({ bucket, lockMs: singleFlight.lockMs, counters, log });
  }

  #guarded(handler: Handler): Handler {
    const { connection, settings, counters, log } = this.#parts;
    const { dedupe, consumer } = settings;
    if (dedupe === undefined) return handler;
    const bucket = new Bucket(connection, dedupe.bucket);
    const { whenUnknown } = dedupe;
    return skipDone(handler, new DoneSet({ bucket, consumer, whenUnknown, counters, log }), counters);
  }

  #createAdmission(): Admission | undefined {
    const { settings, window, counters, clock } = this.#parts;
    if (settings.admission === undefined) return undefined;
    return new Admission(settings.admission, {
      window,
      counters,
      clock,
      onReady: (delivery) => this.#runner.start(delivery),
      onRejected: (delivery, nowMs, delayMs) => this.#settler.reject(delivery, nowMs, delayMs),
      onExpired: (delivery, nowMs, why) => this.#settler.expire(delivery, nowMs, why),
      onFaulty: (delivery, nowMs, error) =>
        this.#settler.fail(delivery, nowMs, { error, attempt: delivery.attempt, interrupted: false }),
    });
  }

  #createSource(consumer: Consumer, index: number): Source {
    const { connection, settings, window, counters, clock, random, log } = this.#parts;
    return new Source({
      connection,
      inboxPrefix: settings.nats.inboxPrefix,
      settings: consumerSettings(settings, index),
      consumer,
      credits: settings.consumers.length === 1 ? window : new Share(window, settings.consumers.length),
      counters,
      clock,
      random,
      log,
      ended: this.#ended.signal,
      isWanted: () => this.#connected && this.#breaker?.state !== 'open',
      onMessage: (message, ackSubject) => this.#runner.accept(message, ackSubject),
      onAdopted: () => this.#onAdopted(),
    });
  }

  #startSweeping(): NodeJS.Timeout {
    return setInterval(() => this.#sweep(), sweepPeriodMs(this.#leases.ackWaitMs));
  }

  #sweep(): void {
    const nowMs = this.#parts.clock.monotonicMs();
    const blocked = this.#leases.swept(nowMs);
    this.#runner.sweep(nowMs, this.#connected);
    this.#acks.sweep(nowMs, this.#connected);
    this.#settler.sweep(nowMs);
    this.#measureService();
    this.#adapt(nowMs);
    for (const source of this.#sources) source.sweep(nowMs, blocked);
    this.#onRoom();
  }

  #onRoom(): void {
    for (const source of this.#sources) source.refill();
    if (this.#waiters.length === 0) return;
    this.#waiters = this.#waiters.filter(({ condition, resolve }) => {
      if (!condition()) return true;
      resolve();
      return false;
    });
  }

  async #when(condition: () => boolean): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve) => {
      this.#waiters.push({ condition, resolve });
    });
  }

  #measureService(): void {
    const { settings, counters, window } = this.#parts;
    const { count, sumMs } = this.#served;
    this.#served = { count: counters.serviceCount, sumMs: counters.serviceSumMs };
    if (counters.serviceCount === count) return;
    const lately = (counters.serviceSumMs - sumMs) / (counters.serviceCount - count);
    const before = this.#meanServiceMs ?? lately;
    this.#meanServiceMs = before + serviceMeanWeight * (lately - before);
    if (settings.prefetch === 'auto') window.prefetch = prefetchFor(window.slots, this.#meanServiceMs);
  }

  #adapt(nowMs: number): void {
    const { counters, window } = this.#parts;
    if (this.#adaptive === undefined) return;
    this.#adaptive.look({
      nowMs,
      jobs: counters.serviceCount,
      serviceMs: counters.serviceSumMs,
      timedOut: counters.timedOut,
      busyMs: counters.busySlotMs + this.busyMs(nowMs),
    });
    if (this.#adaptive.slots !== window.slots) this.resize(this.#adaptive.slots);
  }

  /** Jobs that run go on; those that wait are given back, as other replicas may fare better. */
  #onBreaker(state: BreakerState): void {
    const { window, log, onBreaker } = this.#parts;
    log.warn({ breaker: state }, 'the circuit breaker changed its state');
    onBreaker();
    if (this.#ended.signal.aborted) return;
    if (state === 'open') {
      for (const source of this.#sources) source.withdraw();
      this.#runner.handBackBuffered();
      return;
    }
    window.cap = state === 'half-open' ? (this.#breaker?.policy.probes ?? Infinity) : Infinity;
    this.#runner.resume();
    if (state === 'half-open') this.start();
    else this.#onRoom();
  }

  #onAdopted(): void {
    const ackWaitMs = shortestAckWaitMs(this.#sources);
    if (ackWaitMs === this.#leases.ackWaitMs) return;
    this.#leases.ackWaitMs = ackWaitMs;
    clearInterval(this.#timer);
    this.#timer = this.#startSweeping();
  }
}

/** All leases are treated as if they were this long: extending one too early does no harm. */
function shortestAckWaitMs(consumers: readonly { readonly ackWaitMs: number }[]): number {
  return Math.min(...consumers.map(({ ackWaitMs }) => ackWaitMs));
}
