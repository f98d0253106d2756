import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { LongReply } from '#common/http.ts';
import type { PassReport, PassTimes } from './passReport.ts';
import { PoolSeries } from './poolSeries.ts';

/** A kind of resource that is watched in a namespace; '' is all of the cluster. */
export type WatchFigure = {
  readonly resource: string;
  readonly namespace: string;
  /** Undefined before the first list, and while a right is missing. */
  readonly ageMs: number | undefined;
};

/**
 * What Prometheus sees of the operator. One series per pool and figure; a figure that is not known has no sample,
 * so that an alert on it is "absent" and never a false 0. docs/metrics.md lists them.
 */
export class OperatorMetrics {
  readonly #registry = new Registry();
  readonly #pools = new PoolSeries();
  readonly #passSeconds: Histogram;
  readonly #latenessSeconds: Histogram;
  readonly #apiRequests: Counter<'verb'>;
  readonly #recordLines: Counter<'outcome'>;

  /** @param watches what is watched on Kubernetes, asked for at each scrape. */
  constructor(watches: () => Iterable<WatchFigure> = () => []) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    createWatchGauges(registers, watches);
    this.#recordLines = new Counter({
      name: 'penstock_record_lines_total',
      help: 'Passes for the record, by outcome: written, or dropped because the disk was full or too slow.',
      labelNames: ['outcome'],
      registers,
    });
    this.#passSeconds = new Histogram({
      name: 'penstock_pass_seconds',
      help: 'Duration of a pass over one pool.',
      buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3],
      registers,
    });
    this.#latenessSeconds = new Histogram({
      name: 'penstock_pass_lateness_seconds',
      help: 'Time from when a look at a pool was due to its start.',
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    });
    this.#apiRequests = new Counter({
      name: 'penstock_api_requests_total',
      help: 'Requests to the Kubernetes API server, by verb; a watch counts once, when it is opened.',
      labelNames: ['verb'],
      registers,
    });
    for (const verb of ['GET', 'WATCH', 'POST', 'PUT', 'PATCH']) this.#apiRequests.inc({ verb }, 0);
  }

  /** Long with many pools. */
  reply(): LongReply {
    return { status: 200, contentType: this.#registry.contentType, pieces: this.#pieces() };
  }

  async *#pieces(): AsyncGenerator<string> {
    yield* this.#pools.render();
    yield this.#registry.metrics();
  }

  observe(report: PassReport, { passMs, latenessMs }: PassTimes): void {
    this.#pools.observe(report);
    this.#passSeconds.observe(passMs / 1_000);
    this.#latenessSeconds.observe(latenessMs / 1_000);
  }

  recorded(outcome: 'written' | 'dropped', lines: number): void {
    this.#recordLines.inc({ outcome }, lines);
  }

  /** A pool was looked at and rests. */
  still({ latenessMs }: Pick<PassTimes, 'latenessMs'>): void {
    this.#latenessSeconds.observe(latenessMs / 1_000);
  }

  apiRequest(verb: string): void {
    this.#apiRequests.inc({ verb });
  }

  passFailed(pool: string): void {
    this.#pools.passFailed(pool);
  }

  /** Removes the series of pools that are gone. */
  keepOnly(pools: ReadonlySet<string>): void {
    this.#pools.keepOnly(pools);
  }
}

function createWatchGauges(registers: Registry[], watches: () => Iterable<WatchFigure>): void {
  const labelNames = ['resource', 'namespace'];
  new Gauge({
    name: 'penstock_watch_age_seconds',
    help: 'Time since the Kubernetes API server last said anything about a kind; no sample before the first list, or without the right to it.',
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const { resource, namespace, ageMs } of watches()) {
        if (ageMs !== undefined) this.set({ resource, namespace }, ageMs / 1_000);
      }
    },
  });
  new Gauge({
    name: 'penstock_watch_listed',
    help: 'Whether a kind has been listed and may be watched: 0 means that pools wait for it, e.g. for a right.',
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const { resource, namespace, ageMs } of watches()) {
        this.set({ resource, namespace }, ageMs === undefined ? 0 : 1);
      }
    },
  });
}
