import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { PassReport, PassTimes } from './passReport.ts';

const byPool = ['pool'] as const;

/** A kind of resource that is watched in a namespace; '' is all of the cluster. */
export type WatchFigure = {
  readonly resource: string;
  readonly namespace: string;
  /** Undefined before the first list, and while a right is missing. */
  readonly ageMs: number | undefined;
};

type Figure = { readonly help: string; readonly read: (report: PassReport) => number | null };
const figures: Readonly<Record<string, Figure>> = {
  recommended_replicas: {
    help: 'Replicas that the demand alone asks for.',
    read: (r) => r.decision.recommended,
  },
  backlog_messages: { help: 'Messages not resolved yet.', read: (r) => r.signals.backlogMessages },
  arrivals_per_second: { help: 'Arrival rate.', read: (r) => r.signals.arrivalsPerSecond },
  completions_per_second: { help: 'Completion rate.', read: (r) => r.signals.completionsPerSecond },
  utilization_ratio: { help: 'Share of open slots that run a job.', read: (r) => r.signals.utilization },
  service_seconds: { help: 'Mean run time of a job.', read: (r) => r.signals.serviceSeconds },
  replica_capacity_per_second: {
    help: 'Jobs per second that one replica can complete.',
    read: (r) => r.signals.capacityPerReplica,
  },
  jobs_in_time_ratio: {
    help: 'Share of the jobs of the last hour that began within the objective.',
    read: (r) => r.signals.withinShare,
  },
  error_budget_left_ratio: {
    help: 'What is left of the share of those jobs that may be late.',
    read: (r) => r.signals.budgetLeft,
  },
  start_seconds: { help: 'Time from a new replica to its first job.', read: (r) => r.signals.startSeconds },
};

/**
 * What Prometheus sees of the operator. One series per pool and figure; a figure that is not known has no sample,
 * so that an alert on it is "absent" and never a false 0. docs/metrics.md lists them.
 */
export class OperatorMetrics {
  readonly #registry = new Registry();
  readonly #passSeconds: Histogram;
  readonly #latenessSeconds: Histogram;
  readonly #apiRequests: Counter<'verb'>;
  readonly #passFailures: Counter<'pool'>;
  readonly #scales: Counter<'pool' | 'direction' | 'reason'>;
  readonly #writeFailures: Counter<'pool'>;
  readonly #holds: Counter<'pool' | 'reason'>;
  readonly #recordLines: Counter<'outcome'>;
  /** Of each pool the last report: the gauges are made of them when they are asked for. */
  readonly #reports = new Map<string, PassReport>();
  /** Pools that have counters. */
  readonly #known = new Set<string>();

  /** @param watches what is watched on Kubernetes, asked for at each scrape. */
  constructor(watches: () => Iterable<WatchFigure> = () => []) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#createGauges();
    createWatchGauges(registers, watches);
    this.#scales = new Counter({
      name: 'penstock_pool_scales_total',
      help: 'Changes of the replicas that were written.',
      labelNames: ['pool', 'direction', 'reason'],
      registers,
    });
    this.#holds = new Counter({
      name: 'penstock_pool_holds_total',
      help: 'Passes that changed nothing, by reason.',
      labelNames: ['pool', 'reason'],
      registers,
    });
    this.#writeFailures = new Counter({
      name: 'penstock_pool_write_failures_total',
      help: 'Changes of the replicas that could not be written.',
      labelNames: byPool,
      registers,
    });
    this.#passFailures = new Counter({
      name: 'penstock_pool_pass_failures_total',
      help: 'Passes that ended in an error of the operator itself.',
      labelNames: byPool,
      registers,
    });
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

  get contentType(): string {
    return this.#registry.contentType;
  }

  render(): Promise<string> {
    return this.#registry.metrics();
  }

  observe(report: PassReport, { passMs, latenessMs }: PassTimes): void {
    const { pool, decision, outcome } = report;
    this.#known.add(pool);
    this.#reports.set(pool, report);
    this.#passSeconds.observe(passMs / 1_000);
    this.#latenessSeconds.observe(latenessMs / 1_000);
    if (outcome?.kind === 'scaled') {
      const direction = (decision.to ?? 0) > (decision.from ?? 0) ? 'up' : 'down';
      this.#scales.inc({ pool, direction, reason: decision.reason });
    } else if (outcome !== null) this.#writeFailures.inc({ pool });
    else this.#holds.inc({ pool, reason: decision.reason });
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
    this.#known.add(pool);
    this.#passFailures.inc({ pool });
  }

  /** Removes the series of pools that are gone. */
  keepOnly(pools: Iterable<string>): void {
    const kept = new Set(pools);
    const gone = [...this.#known].filter((pool) => !kept.has(pool));
    if (gone.length === 0) return;
    const counters = [this.#scales, this.#holds, this.#writeFailures, this.#passFailures];
    for (const pool of gone) {
      this.#known.delete(pool);
      this.#reports.delete(pool);
      for (const counter of counters) removePool(counter, pool);
    }
  }

  #createGauges(): void {
    this.#gauge(
      'replicas',
      'Replicas by state; desired is what the workload was asked for last.',
      'state',
      ({ replicas }) => Object.entries(replicas),
    );
    for (const [name, { help, read }] of Object.entries(figures)) {
      this.#gauge(name, help, undefined, (report) => [['', read(report)]]);
    }
    this.#gauge(
      'condition',
      'Conditions: 1 true, 0 false, no sample while unknown.',
      'type',
      ({ conditions }) =>
        conditions.map(({ type, status }) => [type, status === 'Unknown' ? null : Number(status === 'True')]),
    );
  }

  /** @param read values by the second label; null has no sample. */
  #gauge(
    name: string,
    help: string,
    label: string | undefined,
    read: (report: PassReport) => readonly (readonly [string, number | null])[],
  ): void {
    const reports = this.#reports;
    const labelNames = label === undefined ? ['pool'] : ['pool', label];
    new Gauge({
      name: `penstock_pool_${name}`,
      help,
      labelNames,
      registers: [this.#registry],
      // At a scrape, not at a pass: there are many more of these.
      collect() {
        this.reset();
        for (const [pool, report] of reports) {
          for (const [key, value] of read(report)) {
            if (value !== null) this.set(label === undefined ? { pool } : { pool, [label]: key }, value);
          }
        }
      },
    });
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

/** A library metric can remove only an exact set of labels. */
function removePool(metric: Counter, pool: string): void {
  void metric.get().then(({ values }) => {
    for (const { labels } of values) if (labels['pool'] === pool) metric.remove(labels);
  });
}
