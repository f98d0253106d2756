import type { Outcome } from '../../operator/simulate/compare.ts';
import { outcomeCells, outcomeHeadings } from '../../operator/simulate/outcomeTable.ts';
import { verdictText, verdicts } from '../../operator/simulate/verdicts.ts';

/** The outcomes as text, one line each, with what they mean beside each other. */
export function outcomeLines(outcomes: readonly Outcome[], objectiveSeconds: number): string {
  const found = verdicts(outcomes, objectiveSeconds).map(verdictText);
  return alignColumns([
    [...outcomeHeadings, ''],
    ...outcomes.map((outcome, index) => [...outcomeCells(outcome), found[index] ?? '']),
  ]);
}

/** The first and the last column stand left, figures right. */
export function alignColumns(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, column) =>
    lines.reduce((widest, line) => Math.max(widest, (line[column] ?? '').length), 0),
  );
  const pad = (cell: string, column: number): string =>
    column === 0 || column === widths.length - 1
      ? cell.padEnd(widths[column] ?? 0)
      : cell.padStart(widths[column] ?? 0);
  return lines.map((line) => line.map(pad).join('  ').trimEnd()).join('\n');
}
