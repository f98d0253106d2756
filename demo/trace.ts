import { PenstockError } from '#common/errors.ts';

export type TraceJob = {
  /** Arrival, seconds after the start of the trace. */
  readonly atSeconds: number;
  readonly serviceMs: number;
};

const needed = ['t', 'gen'] as const;
/** A token takes about this long on the models of the time; a long answer is capped so that a demo stays short. */
const serviceMsPerToken = 20;
const longestServiceMs = 5_000;

/**
 * Reads a trace with one row per job: CSV with a header, columns `t` (arrival, seconds) and `gen` (generated tokens,
 * which stand for the work). Other columns are ignored.
 *
 * @param name the file's name, for messages.
 * @returns jobs in the order of their arrival.
 * @throws PenstockError `InvalidTrace`, naming file, line, column and value.
 */
export function parseTrace(text: string, name: string): TraceJob[] {
  const [header = '', ...rows] = text.split(/\r?\n/);
  const columns = header.split(',').map((column) => column.trim());
  const [timeColumn, tokensColumn] = needed.map((column) => {
    const index = columns.indexOf(column);
    if (index >= 0) return index;
    throw new PenstockError(
      'InvalidTrace',
      `${name}:1: column "${column}" is missing (found: ${header.slice(0, 80)}); ` +
        `give a CSV file with one row per job and the columns ${needed.join(', ')}`,
    );
  });
  const jobs = rows.flatMap((row, index): TraceJob[] => {
    if (row.trim() === '') return [];
    const cells = row.split(',');
    const cell = (at: number | undefined, column: string): number =>
      parseCell(at === undefined ? undefined : cells[at], `${name}:${index + 2}: column "${column}"`);
    const tokens = cell(tokensColumn, 'gen');
    return [
      {
        atSeconds: cell(timeColumn, 't'),
        serviceMs: Math.min(longestServiceMs, serviceMsPerToken * tokens),
      },
    ];
  });
  if (jobs.length === 0)
    throw new PenstockError('InvalidTrace', `${name} holds no job; add rows below the header`);
  return jobs.sort((a, b) => a.atSeconds - b.atSeconds);
}

/** The part of a trace that fits into a replay, its times in seconds of that replay. */
export function squeezeTrace(jobs: readonly TraceJob[], speed: number, seconds: number): TraceJob[] {
  return jobs
    .map((job) => ({ ...job, atSeconds: job.atSeconds / speed }))
    .filter((job) => job.atSeconds < seconds);
}

function parseCell(cell: string | undefined, where: string): number {
  const value = cell === undefined || cell.trim() === '' ? Number.NaN : Number(cell);
  if (Number.isFinite(value) && value >= 0) return value;
  throw new PenstockError(
    'InvalidTrace',
    `${where} is ${cell === undefined ? 'missing' : `"${cell.slice(0, 40)}"`}; it must be a number, 0 or more`,
  );
}
