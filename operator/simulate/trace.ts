import { PenstockError } from '#common/errors.ts';

const longestSeconds = 31 * 86_400;
const mostArrivals = 100_000_000;
const timeColumns = ['t_seconds', 't'] as const;

/**
 * Reads a trace: CSV with a header, a time in seconds (`t_seconds` or `t`), and `arrivals` from that time to the next
 * row's; without that column each row is one job. Times are counted from the first row; gaps are quiet.
 *
 * @param name the file's name, for messages.
 * @returns jobs that arrive in each second.
 * @throws PenstockError `InvalidTrace`, naming file, line, column and value.
 */
export function parseTrace(text: string, name: string): readonly number[] {
  const [header = '', ...lines] = text.split(/\r?\n/);
  const columns = header.split(',').map((column) => column.trim());
  const timeColumn = timeColumns.map((column) => columns.indexOf(column)).find((index) => index >= 0);
  if (timeColumn === undefined) {
    throw invalid(`${name}:1: there is no column "t_seconds" or "t" (found: ${header.slice(0, 80)})`);
  }
  const countColumn = columns.indexOf('arrivals');
  const rows = lines.flatMap((line, index) => {
    if (line.trim() === '') return [];
    const cells = line.split(',');
    const where = `${name}:${index + 2}: column`;
    const atSeconds = number(cells[timeColumn], `${where} "${columns[timeColumn] ?? 't'}"`);
    return [
      {
        atSeconds,
        count: countColumn < 0 ? 1 : number(cells[countColumn], `${where} "arrivals"`),
        line: index + 2,
      },
    ];
  });
  checkOrder(rows, name);
  return spread(rows, name, countColumn >= 0);
}

type Row = { readonly atSeconds: number; readonly count: number; readonly line: number };

function checkOrder(rows: readonly Row[], name: string): void {
  for (const [index, { atSeconds, line }] of rows.entries()) {
    const before = rows[index - 1]?.atSeconds ?? 0;
    if (atSeconds < before)
      throw invalid(`${name}:${line}: time ${atSeconds} is before ${before}; sort the rows`);
  }
}

/** The arrivals of a row are shared out evenly over the seconds to the next row, the last row's over one second; a job has one. */
function spread(rows: readonly Row[], name: string, isSpread: boolean): readonly number[] {
  const first = rows[0];
  const last = rows.at(-1);
  if (first === undefined || last === undefined) throw invalid(`${name} has no row below its header`);
  if (last.atSeconds - first.atSeconds > longestSeconds) {
    throw invalid(
      `${name}: it spans ${last.atSeconds - first.atSeconds} s; give no more than ${longestSeconds}`,
    );
  }
  const perSecond = new Array<number>(Math.floor(last.atSeconds - first.atSeconds) + 1).fill(0);
  let total = 0;
  for (const [index, { atSeconds, count, line }] of rows.entries()) {
    const next = rows[index + 1]?.atSeconds ?? atSeconds;
    total += count;
    if (total > mostArrivals) throw invalid(`${name}:${line}: more than ${mostArrivals} arrivals in all`);
    const from = Math.floor(atSeconds - first.atSeconds);
    const span = isSpread ? Math.max(1, Math.floor(next - first.atSeconds) - from) : 1;
    const whole = Math.round(count);
    for (let second = 0; second < span; second += 1) {
      const share = Math.floor((whole * (second + 1)) / span) - Math.floor((whole * second) / span);
      perSecond[from + second] = (perSecond[from + second] ?? 0) + share;
    }
  }
  return perSecond;
}

function number(cell: string | undefined, where: string): number {
  const value = cell === undefined || cell.trim() === '' ? Number.NaN : Number(cell);
  if (Number.isFinite(value) && value >= 0) return value;
  const found = cell === undefined ? 'missing' : `"${cell.slice(0, 40)}"`;
  throw invalid(`${where} is ${found}; it must be a number, 0 or more`);
}

const invalid = (message: string): PenstockError => new PenstockError('InvalidTrace', message);
