import type { PassReport } from '../operator/report/passReport.ts';

/** A line is printed when something changed for a person, else every so often as a sign of life. */
const signOfLifeMs = 10_000;

/** Turns pass reports into lines for a person; remembers what was said last for each pool. */
export class PassPrinter {
  readonly #last = new Map<string, { key: string; atMs: number }>();

  /** Undefined when there is nothing new to say. */
  line(report: PassReport): string | undefined {
    const atMs = Date.parse(report.time);
    const key = JSON.stringify([
      report.decision.reason,
      report.decision.to,
      report.replicas,
      report.outcome?.message,
    ]);
    const last = this.#last.get(report.pool);
    if (last?.key === key && atMs - last.atMs < signOfLifeMs) return undefined;
    this.#last.set(report.pool, { key, atMs });
    return format(report);
  }
}

function format({ time, pool, replicas, signals, decision, outcome, conditions }: PassReport): string {
  const change = decision.kind === 'scale' ? `${figure(decision.from)} → ${figure(decision.to)}` : 'hold';
  const parts = [
    time.slice(11, 19),
    pool,
    `replicas ${figure(replicas.ready)}/${figure(replicas.desired)}`,
    `backlog ${figure(signals.backlogMessages)}`,
    `in ${figure(signals.arrivalsPerSecond, 1)}/s`,
    `out ${figure(signals.completionsPerSecond, 1)}/s`,
    `busy ${signals.utilization === null ? '?' : `${(100 * signals.utilization).toFixed(0)} %`}`,
    `${change}: ${decision.reason}: ${decision.message}`,
  ];
  const failed = outcome !== null && outcome.kind !== 'scaled' ? [`NOT DONE: ${outcome.message}`] : [];
  const bad = conditions
    .filter(({ type, status }) => type === 'Ready' && status !== 'True')
    .map(({ reason, message }) => `NOT READY (${reason}): ${message}`);
  return [...parts, ...failed, ...bad].join('  ');
}

const figure = (value: number | null, digits = 0): string => (value === null ? '?' : value.toFixed(digits));
