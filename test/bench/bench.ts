/** What every benchmark gives and gets; main.ts runs them, table.ts prints what they return. */
import { quantile } from '../../demo/quantile.ts';

export type Bench = {
  /** As typed on the command line. */
  readonly name: string;
  /** One line for `--help`: the work and the peers. */
  readonly describe: string;
  run(io: BenchIo): Promise<BenchResult>;
};

export type BenchIo = {
  /** One line of progress; it goes to stderr. */
  readonly say: (line: string) => void;
  /** How often to measure each row. Peers alternate: A B A B, never A A B B. */
  readonly runs: number;
  /** How large that shall be which a benchmark grows; its own choice when it is not given. */
  readonly sizes?: readonly number[];
  /** Peers that are left out, because whoever runs it said so. */
  readonly without: ReadonlySet<string>;
};

export type BenchResult = {
  readonly title: string;
  /** Headings with their units, e.g. `messages/s`. */
  readonly columns: readonly string[];
  readonly rows: readonly BenchRow[];
  /** Quotients of figures of the same run: the part that means something on a shared machine. */
  readonly ratios: readonly BenchRatio[];
  /** What one must know to read the figures. */
  readonly notes: readonly string[];
};

export type BenchRow = {
  readonly name: string;
  /** One cell per column; null when it was not measured. */
  readonly cells: readonly (Measured | number | null)[];
};

export type BenchRatio = {
  /** E.g. `penstock / bare loop`. */
  readonly name: string;
  readonly value: Measured;
  /** What we want it to be, e.g. `>= 0.90`. */
  readonly aim: string;
};

/** One quantity over all runs. */
export type Measured = {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: number;
};

/** @throws RangeError when nothing was measured. */
export function summarize(values: readonly number[]): Measured {
  const median = quantile(values, 0.5);
  if (median === undefined) throw new RangeError('nothing was measured');
  return { median, min: Math.min(...values), max: Math.max(...values), runs: values.length };
}
