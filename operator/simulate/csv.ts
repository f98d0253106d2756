import { PenstockError } from '#common/errors.ts';

/** A CSV file with a header: numbers in named columns, separated by commas, without quotes. */
export type Table = {
  /** The file's name, for messages. */
  readonly name: string;
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
  /** The error to say that something in it is wrong. */
  readonly invalid: (message: string) => PenstockError;
};

/** The line stands for itself in messages; the first one is 1. */
export type Row = { readonly line: number; readonly cells: readonly string[] };

export function readTable(text: string, name: string, code: 'InvalidTrace' | 'InvalidService'): Table {
  const [header = '', ...lines] = text.split(/\r?\n/);
  return {
    name,
    columns: header.split(',').map((column) => column.trim()),
    rows: lines.flatMap((line, index) =>
      line.trim() === '' ? [] : [{ line: index + 2, cells: line.split(',') }],
    ),
    invalid: (message) => new PenstockError(code, message),
  };
}

/** The index of the first of these columns that is there, or undefined. */
export function columnOf({ columns }: Table, names: readonly string[]): number | undefined {
  return names.map((name) => columns.indexOf(name)).find((index) => index >= 0);
}

/** @throws PenstockError naming file, line, column and value, unless the cell is a finite number of 0 or more. */
export function numberAt({ name, columns, invalid }: Table, { line, cells }: Row, column: number): number {
  const cell = cells[column]?.trim() ?? '';
  const value = cell === '' ? Number.NaN : Number(cell);
  if (Number.isFinite(value) && value >= 0) return value;
  const found = cell === '' ? 'missing' : `"${cell.slice(0, 40)}"`;
  throw invalid(`${name}:${line}: column "${columns[column] ?? ''}" is ${found}; give a number, 0 or more`);
}
