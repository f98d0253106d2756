import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { PassReport, PassTimes } from './passReport.ts';

const byPool = ['pool'] as const;

/**
 * What Prometheus sees of the operator. One series per pool and figure; a figure that is not known has no sample,
 * so that an alert on it is "absent" and never a false 0. docs/metrics.md lists them.
 */
export class OperatorMetrics {
  readonly #registry = new Registry();
  readonly #replicas: Gauge<'pool' | 'state'>;
  readonly #gauges: readonly (readonly [Gauge<'pool'>, (report: PassReport) => number | null])[];
  readonly #condition: Gauge<'pool' | 'type'>;
  readonly #passSeconds: Histogram;
  readonly #latenessSeconds: Histogram;
  readonly #apiRequests: Counter<'verb'>;
  readonly #passFailures: Counter<'pool'>;
  readonly #scales: Counter<'pool' | 'direction' | 'reason'>;
  readonly #writeFailures: Counter<'pool'>;
  readonly #holds: Counter<'pool' | 'reason'>;
  readonly #recordLines: Counter<'outcome'>;
  readonly #known = new Set<string>();

  constructor() {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    const gauge = (name: string, help: string): Gauge<'pool'> =>
      new Gauge({ name: `penstock_pool_${name}`, help, labelNames: byPool, registers });
    this.#replicas = new Gauge({
      name: 'penstock_pool_replicas',
      help: 'Replicas by state; desired is what the workload was asked for last.',
      labelNames: ['pool', 'state'],
      registers,
    });
    this.#gauges = [
      [
        gauge('recommended_replicas', 'Replicas that the demand alone asks for.'),
        (r) => r.decision.recommended,
      ],
      [gauge('backlog_messages', 'Messages not resolved yet.'), (r) => r.signals.backlogMessages],
      [gauge('arrivals_per_second', 'Arrival rate.'), (r) => r.signals.arrivalsPerSecond],
      [gauge('completions_per_second', 'Completion rate.'), (r) => r.signals.completionsPerSecond],
      [gauge('utilization_ratio', 'Share of open slots that run a job.'), (r) => r.signals.utilization],
      [gauge('service_seconds', 'Mean run time of a job.'), (r) => r.signals.serviceSeconds],
      [
        gauge('replica_capacity_per_second', 'Jobs per second that one replica can complete.'),
        (r) => r.signals.capacityPerReplica,
      ],
      [
        gauge('jobs_in_time_ratio', 'Share of the jobs of the last hour that began within the objective.'),
        (r) => r.signals.withinShare,
      ],
      [
        gauge('error_budget_left_ratio', 'What is left of the share of those jobs that may be late.'),
        (r) => r.signals.budgetLeft,
      ],
      [gauge('start_seconds', 'Time from a new replica to its first job.'), (r) => r.signals.startSeconds],
    ];
    this.#condition = new Gauge({
      name: 'penstock_pool_condition',
      help: 'Conditions: 1 true, 0 false, no sample while unknown.',
      labelNames: ['pool', 'type'],
      registers,
    });
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
    const { pool, replicas, decision, outcome } = report;
    this.#known.add(pool);
    this.#passSeconds.observe(passMs / 1_000);
    this.#latenessSeconds.observe(latenessMs / 1_000);
    for (const [state, value] of Object.entries(replicas)) set(this.#replicas, { pool, state }, value);
    for (const [gauge, read] of this.#gauges) set(gauge, { pool }, read(report));
    for (const { type, status } of report.conditions) {
      set(this.#condition, { pool, type }, status === 'Unknown' ? null : Number(status === 'True'));
    }
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
    const metrics = [
      this.#replicas,
      this.#condition,
      this.#scales,
      this.#holds,
      this.#writeFailures,
      this.#passFailures,
      ...this.#gauges.map(([gauge]) => gauge),
    ];
    for (const pool of gone) {
      this.#known.delete(pool);
      for (const metric of metrics) removePool(metric, pool);
    }
  }
}

function set<L extends string>(gauge: Gauge<L>, labels: Record<L, string>, value: number | null): void {
  if (value === null) gauge.remove(labels);
  else gauge.set(labels, value);
}

/** A library metric can remove only an exact set of labels. */
function removePool(metric: Gauge | Counter, pool: string): void {
  void metric.get().then(({ values }) => {
    for (const { labels } of values) if (labels['pool'] === pool) metric.remove(labels);
  });
}
