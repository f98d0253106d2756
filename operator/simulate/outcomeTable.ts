import type { Outcome } from './compare.ts';

/** Headings and cells of a table of outcomes, for the terminal and the page. */
export const outcomeHeadings: readonly string[] = [
  '',
  'wait p50 s',
  'p95 s',
  'p99 s',
  'beyond objective',
  'replica-seconds',
  'cost',
  '× oracle',
  'peak',
  'actions',
  'reversals',
  'unfinished',
];

/** One row of the table as text. */
export function outcomeCells(outcome: Outcome): readonly string[] {
  const decimals = (value: number | null, count: number): string =>
    value === null ? '–' : value.toFixed(count);
  return [
    outcome.name,
    decimals(outcome.waitP50Seconds, 1),
    decimals(outcome.waitP95Seconds, 1),
    decimals(outcome.waitP99Seconds, 1),
    `${(100 * outcome.beyondObjective).toFixed(2)} %`,
    outcome.replicaSeconds.toFixed(0),
    decimals(outcome.cost, 2),
    decimals(outcome.oracleRatio, 2),
    String(outcome.peakReplicas),
    String(outcome.actions),
    String(outcome.reversals),
    String(outcome.unfinished),
  ];
}
