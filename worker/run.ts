import { systemClock } from '#common/clock.ts';
import { PenstockError } from '#common/errors.ts';
import { heartbeatIntervalMs } from '#common/heartbeat.ts';
import type { WorkerState } from '#common/heartbeat.ts';
import { serveHttp } from '#common/http.ts';
import type { HttpServer } from '#common/http.ts';
import type { Logger } from '#common/log.ts';
import type { NatsConnection } from '#common/nats.ts';
import { awaitConsumer, consumerSettings } from './consume/consumer.ts';
import type { Consumer } from './consume/consumer.ts';
import { Engine } from './consume/engine.ts';
import { Window } from './consume/window.ts';
import type { BatchHandler } from './handle/batch.ts';
import { Batcher } from './handle/batcher.ts';
import type { Work } from './handle/batcher.ts';
import type { Handler } from './handle/context.ts';
import { flightStream } from './handle/fleetFlights.ts';
import { toHost } from './handle/host.ts';
import type { HandlerHost } from './handle/host.ts';
import { ensureStream } from './jetstream/ensureStream.ts';
import { connectPatiently } from './lifecycle/connect.ts';
import { drain } from './lifecycle/drain.ts';
import { probeRoutes } from './lifecycle/health.ts';
import { writeSnapshotsOnSignal } from './lifecycle/heapSnapshots.ts';
import { MemoryCeiling } from './lifecycle/memory.ts';
import { within } from './lifecycle/within.ts';
import { Lifecycle } from './lifecycle/state.ts';
import { invalidOption, requireCount } from './optionChecks.ts';
import { compileBatch, compileOptions } from './options.ts';
import type { Settings, WorkerOptions } from './options.ts';
import { deadLetterStream } from './outcome/deadLetter.ts';
import { doneSetStream } from './outcome/duplicates.ts';
import { forgivenStream } from './outcome/forgiven.ts';
import { Counters } from './report/counters.ts';
import { HeartbeatPublisher } from './report/heartbeat.ts';
import type { Identity, Vitals } from './report/heartbeat.ts';

/** Time for the last heartbeat to leave; a server that is gone must not hold the process. */
const goodbyeMs = 1_000;

/** How a worker ended. */
export type StopSummary = {
  readonly succeeded: number;
  /** Jobs returned unstarted or unfinished since the start, those of the stop among them. */
  readonly handedBack: number;
  /** Whether the server confirmed that it has read everything; if not, unfinished jobs come back after ack_wait. */
  readonly clean: boolean;
  /** Why it stopped: somebody asked for it, or its memory passed the ceiling. */
  readonly cause: 'asked' | 'memory';
};

export type WorkerStats = {
  readonly state: WorkerState;
  /** Jobs that may run at once now. */
  readonly slots: number;
  readonly busy: number;
  readonly buffered: number;
  /** Jobs that wait for their key, its rate, or a retry. */
  readonly waiting: number;
  readonly stuck: number;
  readonly counters: Readonly<Counters>;
};

export type RunningWorker = {
  /** Resolves when jobs are being pulled for the first time; rejects as `done` does. */
  readonly ready: Promise<void>;
  /** Resolves after a stop; rejects when the worker cannot work, e.g. because the consumer does not fit. */
  readonly done: Promise<StopSummary>;
  /** Port of the metrics and probes, if asked for. */
  readonly metricsPort: number | undefined;
  /** Ends gracefully: running jobs may end within the grace time. Again, nothing happens. */
  stop(): void;
  /** Ends at once: running jobs are aborted and handed back. */
  stopNow(): void;
  stats(): WorkerStats;
  /**
   * Changes the number of slots while the worker runs.
   *
   * @throws PenstockError `InvalidOptions` when it is no whole number, less than the consumers, or when the worker
   *   finds the number by itself or collects batches.
   */
  resize(slots: number): void;
  /** Counts a rejection that a handler left unhandled. */
  reportStrayRejection(): void;
};

/**
 * Pulls jobs from a durable JetStream consumer and runs the handler for each, until stopped. NATS may be down or the
 * consumer missing: the worker waits for them. A host is disposed of at the end.
 *
 * @throws PenstockError `InvalidOptions`, or `PortInUse` / `HttpListenFailed`.
 */
export async function runWorker(
  options: WorkerOptions,
  handler: Handler | HandlerHost,
): Promise<RunningWorker> {
  const settings = compileOptions(options);
  if (settings.batch !== undefined) {
    throw invalidOption('batch', options.batch, 'is for batch handlers; use runBatchWorker');
  }
  return start(settings, { kind: 'single', host: toHost(handler) });
}

/**
 * The same with a handler that gets several jobs at once: up to `batch.size` of them, or what came within
 * `batch.waitMs`.
 *
 * @throws PenstockError as `runWorker` does.
 */
export async function runBatchWorker(options: WorkerOptions, handler: BatchHandler): Promise<RunningWorker> {
  const policy = compileBatch(options.batch ?? {});
  return start(compileOptions({ ...options, batch: policy }), { kind: 'batch', handler, policy });
}

async function start(settings: Settings, work: Work): Promise<RunningWorker> {
  const worker = new Worker(settings, work);
  await worker.listen();
  worker.begin();
  return worker;
}

class Worker implements RunningWorker {
  readonly ready: Promise<void>;
  readonly done: Promise<StopSummary>;
  readonly #settings: Settings;
  readonly #host: HandlerHost;
  readonly #batcher: Batcher | undefined;
  readonly #log: Logger;
  /** One per consumer: each source of a pool hears of all its workers. */
  readonly #identities: readonly Identity[];
  readonly #window: Window;
  readonly #counters = new Counters();
  readonly #lifecycle = new Lifecycle((state) => this.#onState(state));
  readonly #ready = Promise.withResolvers<undefined>();
  readonly #done = Promise.withResolvers<StopSummary>();
  readonly #stop = new AbortController();
  readonly #stopNow = new AbortController();
  readonly #clock = systemClock;
  readonly #random = (): number => Math.random();
  readonly #ceiling: MemoryCeiling | undefined;
  #http: HttpServer | undefined;
  #engine: Engine | undefined;
  #heartbeats: readonly HeartbeatPublisher[] = [];
  #slotMs = 0;
  #slotsCountedMs = 0;

  constructor(settings: Settings, work: Work) {
    this.#settings = settings;
    if (work.kind === 'single') {
      this.#host = work.host;
    } else {
      const { handler, policy } = work;
      this.#batcher = new Batcher(handler, policy, settings.slots / policy.size, this.#counters);
      this.#host = toHost(this.#batcher.handle);
    }
    const { stream, consumers, replica, slots, prefetch, logger } = settings;
    this.#log = logger.child({ stream, consumer: consumers.join(','), replica });
    const startedAtMs = this.#clock.wallMs();
    const worker = `${replica}-${startedAtMs.toString(36)}-${process.pid.toString(36)}`;
    this.#identities = consumers.map((consumer) => ({ worker, replica, stream, consumer, startedAtMs }));
    const { maxMemoryMiB } = settings;
    this.#ceiling = maxMemoryMiB === undefined ? undefined : new MemoryCeiling(maxMemoryMiB, this.#log);
    this.#window = new Window(slots, prefetch === 'auto' ? 0 : prefetch);
    this.ready = this.#ready.promise;
    this.done = this.#done.promise;
    // Whoever wants to know awaits them; nobody has to.
    this.ready.catch(() => undefined);
    this.done.catch(() => undefined);
  }

  get metricsPort(): number | undefined {
    return this.#http?.port;
  }

  async listen(): Promise<void> {
    const { http, stream, consumers } = this.#settings;
    if (http === undefined) return;
    this.#http = await serveHttp(http.host, http.port, {
      ...probeRoutes(() => ({
        state: this.#lifecycle.state,
        isPulling: this.#engine?.isPulling ?? false,
        breaker: this.#engine?.breakerState,
        window: this.#window,
      })),
      '/debug/jobs': () => {
        const page = this.#engine?.jobs(this.#clock.monotonicMs()) ?? { held: 0, jobs: [] };
        return { status: 200, contentType: 'application/json', body: `${JSON.stringify(page, null, 2)}\n` };
      },
      '/metrics': async () => {
        // Loaded at the first scrape: a third of the memory that an idle worker needs.
        const { renderMetrics } = await import('./report/metrics.ts');
        return renderMetrics({ stream, consumer: consumers.join(',') }, this.#vitals());
      },
    });
    this.#log.info({ port: this.#http.port }, 'metrics and probes are served');
  }

  begin(): void {
    this.#live().then(
      (summary) => this.#done.resolve(summary),
      (error: unknown) => {
        this.#ready.reject(error);
        this.#done.reject(error);
      },
    );
  }

  stop(): void {
    this.#stop.abort();
  }

  stopNow(): void {
    this.#stopNow.abort();
    this.#stop.abort();
  }

  stats(): WorkerStats {
    const { slots, running: busy, buffered, waiting, stuck } = this.#window;
    return { state: this.#lifecycle.state, slots, busy, buffered, waiting, stuck, counters: this.#counters };
  }

  resize(slots: number): void {
    const { adaptive, batch, consumers } = this.#settings;
    if (adaptive !== undefined)
      throw invalidOption('slots', slots, 'follows the latency; leave out maxSlots');
    if (batch !== undefined)
      throw invalidOption('slots', slots, 'is fixed with batches; start the worker anew');
    this.#countSlots(this.#clock.monotonicMs());
    this.#window.slots = requireCount('slots', slots, consumers.length);
    this.#engine?.resize(slots);
    this.#beat();
  }

  reportStrayRejection(): void {
    this.#counters.strayRejections += 1;
  }

  async #live(): Promise<StopSummary> {
    const { nats, replica, heapSnapshotFolder: folder } = this.#settings;
    using _ = folder === undefined ? undefined : writeSnapshotsOnSignal(folder, this.#log);
    try {
      const connection = await connectPatiently(nats, replica, this.#random, this.#stop.signal, this.#log);
      return connection === undefined ? this.#summary(true) : await this.#serve(connection);
    } finally {
      if (this.#lifecycle.state !== 'stopped') this.#lifecycle.enter('stopped');
      await this.#http?.[Symbol.asyncDispose]();
      await this.#host[Symbol.asyncDispose]();
    }
  }

  async #serve(connection: NatsConnection): Promise<StopSummary> {
    this.#heartbeats = this.#identities.map((identity) => new HeartbeatPublisher(connection, identity));
    this.#beat();
    const beats = setInterval(() => {
      this.#beat();
      if (this.#ceiling?.look(process.memoryUsage.rss()) === true) this.stop();
    }, heartbeatIntervalMs);
    try {
      const consumers = await this.#awaitConsumers(connection);
      if (consumers.length > 0) await this.#host.prepare(this.#stop.signal, this.#log);
      if (consumers.length === 0 || this.#stop.signal.aborted) return this.#summary(true);
      return await this.#work(connection, consumers);
    } finally {
      clearInterval(beats);
      this.#lifecycle.enter('stopped');
      await within(goodbyeMs, connection.drain());
      await connection.close();
    }
  }

  /** All of them; none when the worker was stopped first. */
  async #awaitConsumers(connection: NatsConnection): Promise<readonly Consumer[]> {
    const options = { mustFit: true, signal: this.#stop.signal, log: this.#log };
    const found = await Promise.all(
      this.#settings.consumers.map((_, index) =>
        awaitConsumer(connection, consumerSettings(this.#settings, index), options),
      ),
    );
    return this.#stop.signal.aborted ? [] : found.filter((consumer) => consumer !== undefined);
  }

  async #work(connection: NatsConnection, consumers: readonly Consumer[]): Promise<StopSummary> {
    const { stream, deadLetter, forgivenStream: forgiven, dedupe, singleFlight, graceMs } = this.#settings;
    const wanted = [
      deadLetter && deadLetterStream(deadLetter),
      forgiven && forgivenStream(forgiven),
      dedupe && doneSetStream(dedupe),
      singleFlight && flightStream(singleFlight),
    ];
    for (const beside of wanted) if (beside) await ensureStream(connection, beside, stream, this.#log);
    const engine = new Engine({
      connection,
      consumers,
      settings: this.#settings,
      handler: this.#host.handle,
      batcher: this.#batcher,
      slotState: this.#settings.slotState ?? this.#host.slotState,
      window: this.#window,
      counters: this.#counters,
      clock: this.#clock,
      random: this.#random,
      log: this.#log,
      onBreaker: () => this.#beat(),
    });
    this.#engine = engine;
    try {
      this.#slotsCountedMs = this.#clock.monotonicMs();
      engine.start();
      this.#lifecycle.enter('running');
      this.#ready.resolve(undefined);
      void this.#followConnection(connection, engine);
      await this.#stopOrClosed(connection);
      this.#lifecycle.enter('draining');
      return this.#summary(await drain(engine, connection, graceMs, this.#stopNow.signal, this.#tools()));
    } finally {
      await engine.close();
    }
  }

  #tools(): { clock: typeof systemClock; log: Logger } {
    return { clock: this.#clock, log: this.#log };
  }

  async #followConnection(connection: NatsConnection, engine: Engine): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === 'disconnect') {
        this.#log.warn({ server: status.server }, 'disconnected from NATS');
        engine.disconnected();
      } else if (status.type === 'reconnect') {
        this.#log.info({ server: status.server }, 'reconnected to NATS');
        this.#counters.reconnects += 1;
        engine.reconnected();
      } else if (status.type === 'error') {
        this.#log.warn({ error: status.error.message }, 'NATS reports an error');
      }
    }
  }

  /** @throws PenstockError `ConnectionClosed`: the connection is set up to reconnect for ever, yet it ended. */
  async #stopOrClosed(connection: NatsConnection): Promise<void> {
    const stopped = Promise.withResolvers<'stopped'>();
    const onStop = (): void => stopped.resolve('stopped');
    this.#stop.signal.addEventListener('abort', onStop);
    if (this.#stop.signal.aborted) onStop();
    const ended = await Promise.race([stopped.promise, connection.closed()]);
    if (ended === 'stopped') return;
    throw new PenstockError('ConnectionClosed', 'the connection to NATS ended for good; restart the worker', {
      cause: ended,
    });
  }

  #onState(state: WorkerState): void {
    this.#log.info({ state }, 'worker state');
    this.#beat();
  }

  #beat(): void {
    if (this.#heartbeats.length === 0) return;
    const vitals = this.#vitals();
    for (const heartbeats of this.#heartbeats) heartbeats.publish(vitals);
  }

  /** Call it before their number changes. */
  #countSlots(nowMs: number): void {
    if (this.#engine === undefined) return;
    this.#slotMs += this.#window.openSlots * (nowMs - this.#slotsCountedMs);
    this.#slotsCountedMs = nowMs;
  }

  #vitals(): Vitals {
    const nowMs = this.#clock.monotonicMs();
    const engine = this.#engine;
    const { state } = this.#lifecycle;
    this.#countSlots(nowMs);
    return {
      state,
      breaker: engine?.breakerState,
      window: this.#window,
      lanes: engine?.lanes ?? 0,
      limits: engine?.limits ?? [],
      retryBudgetLeft: engine?.retryBudgetLeft(nowMs),
      slotStates: engine?.slotStates ?? 0,
      published: engine?.published,
      threads: this.#host.threads,
      counters: this.#counters,
      runningMs: engine?.busyMs(nowMs) ?? 0,
      oldestRunningMs: engine?.oldestRunningMs(nowMs) ?? 0,
      slotMs: this.#slotMs,
    };
  }

  #summary(clean: boolean): StopSummary {
    const { succeeded, handedBack } = this.#counters;
    return { succeeded, handedBack, clean, cause: this.#ceiling?.isPassed === true ? 'memory' : 'asked' };
  }
}
