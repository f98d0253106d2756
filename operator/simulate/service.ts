import { PenstockError } from '#common/errors.ts';
import { columnOf, numberAt, readTable } from './csv.ts';
import { parseDurationMs } from './duration.ts';
import type { Random } from './random.ts';

/** How long jobs run. */
export type Service = {
  readonly meanMs: number;
  /** Run time of one job, milliseconds. */
  readonly draw: (random: Random) => number;
};

const longestMs = 86_400_000;
const grammar =
  'give constant:MEAN, exponential:MEAN, lognormal:MEAN:CV, pareto:MEAN:ALPHA with ALPHA above 1, or ' +
  'empirical:FILE:COLUMN:UNIT, with a mean of up to a day like 500ms or 2s';

/**
 * Reads how long jobs run:
 *
 * | text | run times |
 * |---|---|
 * | `constant:2s` | all the same |
 * | `exponential:500ms` | exponential |
 * | `lognormal:1s:2` | lognormal; the coefficient of variation (standard deviation over mean) is 2, or 1 unless given |
 * | `pareto:1s:2.5` | Pareto with this exponent: heavy-tailed, and without a mean for 1 or less |
 * | `empirical:FILE:COLUMN:UNIT` | drawn from a column of a CSV file with one row per job, times the unit, e.g. `20ms` |
 *
 * @param read gives the text of a file.
 * @throws PenstockError `InvalidService`
 */
export function parseService(text: string, read: (file: string) => string): Service {
  const [kind, first = '', second, third, ...more] = text.split(':');
  if (kind === 'empirical' && more.length === 0) {
    return empirical(text, first, second ?? 'service_ms', third ?? '1ms', read);
  }
  const meanMs = parseDurationMs(first) ?? 0;
  const shape = second === undefined ? 1 : Number(second.trim() === '' ? Number.NaN : second);
  const isKnown = third === undefined && meanMs > 0 && meanMs <= longestMs && Number.isFinite(shape);
  if (!isKnown) throw invalid(text);
  if (kind === 'constant' && second === undefined) return { meanMs, draw: () => meanMs };
  if (kind === 'exponential' && second === undefined) {
    return { meanMs, draw: (random) => random.exponential(meanMs) };
  }
  if (kind === 'lognormal' && shape >= 0) return lognormal(meanMs, shape);
  if (kind === 'pareto' && second !== undefined && shape > 1) return pareto(meanMs, shape);
  throw invalid(text);
}

/** @param variation coefficient of variation. */
function lognormal(meanMs: number, variation: number): Service {
  const sigmaSquared = Math.log(1 + variation ** 2);
  const [mu, sigma] = [Math.log(meanMs) - sigmaSquared / 2, Math.sqrt(sigmaSquared)];
  return { meanMs, draw: (random) => Math.exp(mu + sigma * random.normal()) };
}

/** Its mean is α·least / (α − 1). No job runs longer than a day. */
function pareto(meanMs: number, alpha: number): Service {
  const leastMs = (meanMs * (alpha - 1)) / alpha;
  return { meanMs, draw: (random) => Math.min(longestMs, leastMs * random.uniform() ** (-1 / alpha)) };
}

function empirical(
  text: string,
  file: string,
  columnName: string,
  unit: string,
  read: (file: string) => string,
): Service {
  const unitMs = parseDurationMs(unit);
  if (unitMs === undefined || unitMs === 0) throw invalid(text);
  const table = readTable(read(file), file, 'InvalidService');
  const column = columnOf(table, [columnName]);
  if (column === undefined) {
    const found = table.columns.join(',').slice(0, 80);
    throw table.invalid(`${file}:1: there is no column "${columnName}" (found: ${found}); name one of them`);
  }
  const timesMs = Float64Array.from(table.rows, (row) => unitMs * numberAt(table, row, column));
  const meanMs = timesMs.reduce((sum, ms) => sum + ms, 0) / timesMs.length;
  if (!(meanMs > 0) || meanMs > longestMs) {
    throw table.invalid(
      `${file}: the mean of column "${columnName}" is ${(meanMs / 1_000).toFixed(3)} s; it must be above 0 and up to a day`,
    );
  }
  return { meanMs, draw: (random) => timesMs[Math.floor(timesMs.length * random.uniform())] ?? meanMs };
}

const invalid = (text: string): PenstockError =>
  new PenstockError('InvalidService', `service "${text.slice(0, 80)}" is not understood; ${grammar}`);
