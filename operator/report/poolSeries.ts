import type { PassReport } from './passReport.ts';

/** What is exposed of one pool. */
type Series = {
  /** The last pass; undefined while there was none. */
  report: PassReport | undefined;
  passFailures: number;
  writeFailures: number;
  /** By reason. */
  readonly holds: Map<string, number>;
  /** By their labels as they are written. */
  readonly scales: Map<string, number>;
};

/** @param labels beside that of the pool, as they are written; '' for none. @param value null has no sample. */
type Sample = (labels: string, value: number | null) => void;
type Family = {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly collect: (series: Series, sample: Sample) => void;
};

/** Lines after which others have their turn. */
const linesPerChunk = 2_000;

/**
 * The series of each pool, in the Prometheus text format. Twenty thousand pools have half a million samples: they are
 * made when they are asked for, out of what is there anyway, piece by piece, and none is kept (ADR 51).
 */
export class PoolSeries {
  readonly #pools = new Map<string, Series>();

  observe(report: PassReport): void {
    const { pool, decision, outcome } = report;
    const series = this.#of(pool);
    series.report = report;
    if (outcome === null) count(series.holds, decision.reason);
    else if (outcome.kind === 'scaled') {
      const direction = (decision.to ?? 0) > (decision.from ?? 0) ? 'up' : 'down';
      count(series.scales, `${label('direction', direction)},${label('reason', decision.reason)}`);
    } else series.writeFailures += 1;
  }

  passFailed(pool: string): void {
    this.#of(pool).passFailures += 1;
  }

  keepOnly(pools: ReadonlySet<string>): void {
    for (const pool of this.#pools.keys()) if (!pools.has(pool)) this.#pools.delete(pool);
  }

  async *render(): AsyncGenerator<string> {
    for (const { name, type, help, collect } of families) {
      let text = `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
      let lines = 0;
      for (const [pool, series] of this.#pools) {
        const own = label('pool', pool);
        collect(series, (labels, value) => {
          if (value === null || !Number.isFinite(value)) return;
          text += labels === '' ? `${name}{${own}} ${value}\n` : `${name}{${own},${labels}} ${value}\n`;
          lines += 1;
        });
        if (lines < linesPerChunk) continue;
        yield text;
        text = '';
        lines = 0;
        await new Promise(setImmediate);
      }
      yield `${text}\n`;
    }
  }

  #of(pool: string): Series {
    let series = this.#pools.get(pool);
    if (series === undefined) {
      series = { report: undefined, passFailures: 0, writeFailures: 0, holds: new Map(), scales: new Map() };
      this.#pools.set(pool, series);
    }
    return series;
  }
}

const count = (counts: Map<string, number>, key: string): unknown =>
  counts.set(key, (counts.get(key) ?? 0) + 1);

function label(name: string, value: string): string {
  const escaped = /[\\"\n]/.test(value)
    ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
    : value;
  return `${name}="${escaped}"`;
}

function gauge(name: string, help: string, collect: (report: PassReport, sample: Sample) => void): Family {
  return {
    name: `penstock_pool_${name}`,
    type: 'gauge',
    help,
    collect: ({ report }, sample) => {
      if (report !== undefined) collect(report, sample);
    },
  };
}

const figure = (name: string, help: string, read: (report: PassReport) => number | null): Family =>
  gauge(name, help, (report, sample) => sample('', read(report)));

const counter = (name: string, help: string, collect: Family['collect']): Family => ({
  name: `penstock_pool_${name}_total`,
  type: 'counter',
  help,
  collect,
});

const families: readonly Family[] = [
  gauge(
    'replicas',
    'Replicas by state; desired is what the workload was asked for last.',
    ({ replicas }, sample) => {
      for (const [state, value] of Object.entries(replicas)) sample(label('state', state), value);
    },
  ),
  figure('recommended_replicas', 'Replicas that the demand alone asks for.', (r) => r.decision.recommended),
  figure('backlog_messages', 'Messages not resolved yet.', (r) => r.signals.backlogMessages),
  figure('arrivals_per_second', 'Arrival rate.', (r) => r.signals.arrivalsPerSecond),
  figure('completions_per_second', 'Completion rate.', (r) => r.signals.completionsPerSecond),
  figure('utilization_ratio', 'Share of open slots that run a job.', (r) => r.signals.utilization),
  figure('service_seconds', 'Mean run time of a job.', (r) => r.signals.serviceSeconds),
  figure(
    'replica_capacity_per_second',
    'Jobs per second that one replica can complete.',
    (r) => r.signals.capacityPerReplica,
  ),
  figure(
    'jobs_in_time_ratio',
    'Share of the jobs of the last hour that began within the objective.',
    (r) => r.signals.withinShare,
  ),
  figure(
    'error_budget_left_ratio',
    'What is left of the share of those jobs that may be late.',
    (r) => r.signals.budgetLeft,
  ),
  figure('start_seconds', 'Time from a new replica to its first job.', (r) => r.signals.startSeconds),
  gauge('condition', 'Conditions: 1 true, 0 false, no sample while unknown.', ({ conditions }, sample) => {
    for (const { type, status } of conditions) {
      sample(label('type', type), status === 'Unknown' ? null : Number(status === 'True'));
    }
  }),
  counter('scales', 'Changes of the replicas that were written.', ({ scales }, sample) => {
    for (const [labels, times] of scales) sample(labels, times);
  }),
  counter('holds', 'Passes that changed nothing, by reason.', ({ holds }, sample) => {
    for (const [reason, times] of holds) sample(label('reason', reason), times);
  }),
  counter(
    'write_failures',
    'Changes of the replicas that could not be written.',
    ({ writeFailures }, sample) => sample('', writeFailures),
  ),
  counter(
    'pass_failures',
    'Passes that ended in an error of the operator itself.',
    ({ passFailures }, sample) => sample('', passFailures),
  ),
];
