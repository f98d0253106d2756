import type { BenchResult, Measured } from './bench.ts';

/** A result as text: a table with one line per row, then ratios with their aims, then notes. */
export function renderResult(result: BenchResult): string {
  const table = alignColumns([
    ['', ...result.columns],
    ...result.rows.map((row) => [row.name, ...row.cells.map(renderCell)]),
  ]);
  const ratios = alignColumns(
    result.ratios.map((ratio) => [ratio.name, renderCell(ratio.value), `aim ${ratio.aim}`]),
  );
  const blocks = [[result.title], table, ratios, result.notes.map((note) => `· ${note}`)];
  return blocks
    .filter((block) => block.length > 0)
    .map((block) => `${block.join('\n')}\n`)
    .join('\n');
}

/** `median (min–max)`, so that the spread stands beside every figure. */
function renderCell(cell: Measured | number | null): string {
  if (cell === null) return '–';
  if (typeof cell === 'number') return renderNumber(cell);
  return `${renderNumber(cell.median)} (${renderNumber(cell.min)}–${renderNumber(cell.max)})`;
}

function renderNumber(value: number): string {
  const decimals = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

function alignColumns(lines: readonly (readonly string[])[]): string[] {
  const widths = lines.reduce<number[]>(
    (widest, line) => line.map((cell, column) => Math.max(widest[column] ?? 0, cell.length)),
    [],
  );
  return lines.map((line) =>
    line
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('   ')
      .trimEnd(),
  );
}
