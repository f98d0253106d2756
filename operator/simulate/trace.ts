import { columnOf, numberAt, readTable } from './csv.ts';
import type { Row, Table } from './csv.ts';
import { load, mostJobs } from './load.ts';
import type { Load } from './load.ts';

export type TraceOptions = {
  /** Time runs so many times faster: 60 makes a minute of the trace a second. */
  readonly timeScale?: number;
  /** Bins that are not there had no arrivals; otherwise they are refused, since nobody knows. */
  readonly areGapsQuiet?: boolean;
};

const timeColumns = ['t_seconds', 't'] as const;
const millisecondsPerSecond = 1_000;
/** Times written with a few decimals are not exactly as far apart as they mean to be. */
const spacingTolerance = 0.01;

/**
 * Reads a trace: CSV with a header, a time in seconds (`t_seconds` or `t`), and `arrivals` in the bin that begins there;
 * without that column each row is one job. Bins are all as wide as the closest two rows are apart; a single one is 1 s.
 * Times are counted from the first row.
 *
 * @param name the file's name, for messages.
 * @throws PenstockError `InvalidTrace`, naming file, line, column, value and remedy.
 */
export function parseTrace(text: string, name: string, options: TraceOptions = {}): Load {
  const table = readTable(text, name, 'InvalidTrace');
  const time = columnOf(table, timeColumns);
  if (time === undefined) {
    const found = JSON.stringify(table.columns.join(',').slice(0, 80)); // a binary file must not reach the terminal
    throw table.invalid(
      `${name}:1: there is no column "t_seconds" or "t" (found: ${found}); name the times so`,
    );
  }
  const first = table.rows[0];
  if (first === undefined)
    throw table.invalid(`${name} has no row below its header; give one per bin or job`);
  const times = inOrder(table, time);
  const scaleMs = millisecondsPerSecond / (options.timeScale ?? 1);
  const startSeconds = times[0] ?? 0;
  const toMs = (seconds: number): number => (seconds - startSeconds) * scaleMs;
  const count = columnOf(table, ['arrivals']);
  if (count === undefined) {
    return load(
      times.map((seconds) => ({ fromMs: toMs(seconds), toMs: toMs(seconds), jobs: 1 })),
      name,
    );
  }
  const widthSeconds = binWidth(table, times, options.areGapsQuiet === true);
  const bins = table.rows.map((row, index) => {
    const seconds = times[index] ?? startSeconds;
    return { fromMs: toMs(seconds), toMs: toMs(seconds + widthSeconds), jobs: jobsAt(table, row, count) };
  });
  return load(bins, name);
}

function inOrder(table: Table, column: number): readonly number[] {
  let before = 0;
  return table.rows.map((row, index) => {
    const seconds = numberAt(table, row, column);
    if (index > 0 && seconds < before) {
      throw table.invalid(
        `${table.name}:${row.line}: time ${seconds} is before ${before}; sort the rows by time`,
      );
    }
    before = seconds;
    return seconds;
  });
}

/** The distance of the closest two rows; a larger one is a gap. */
function binWidth(table: Table, times: readonly number[], areGapsQuiet: boolean): number {
  const distances = times.slice(1).map((seconds, index) => seconds - (times[index] ?? 0));
  const width = distances.reduce((least, distance) => Math.min(least, distance), Infinity);
  if (width === Infinity) return 1;
  const lineOf = (index: number): number => table.rows[index + 1]?.line ?? 0;
  if (width === 0) {
    const line = lineOf(distances.indexOf(0));
    throw table.invalid(
      `${table.name}:${line}: two bins begin at the same time; add their arrivals up in one row`,
    );
  }
  const gap = distances.findIndex((distance) => distance > width * (1 + spacingTolerance));
  if (gap < 0 || areGapsQuiet) return width;
  throw table.invalid(
    `${table.name}:${lineOf(gap)}: this row is ${distances[gap] ?? 0} s after the last, others are ${width} s apart; add ` +
      'the rows that are missing, or pass --gaps quiet if nothing arrived in between',
  );
}

function jobsAt(table: Table, row: Row, column: number): number {
  const jobs = numberAt(table, row, column);
  if (Number.isInteger(jobs) && jobs <= mostJobs) return jobs;
  const remedy = `give a whole number, ${mostJobs} at most`;
  throw table.invalid(`${table.name}:${row.line}: column "arrivals" is ${jobs}; ${remedy}`);
}
