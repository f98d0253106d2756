import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { PenstockError, describeError } from '#common/errors.ts';
import { recordLineSchema } from './recordFormat.ts';
import type { RecordLine } from './recordFormat.ts';

/**
 * The lines of a record, one after the other. Lines that a failure or an end of the operator has cut off, at the end
 * of the file or before a `start`, are left out.
 *
 * @throws PenstockError `InvalidRecord`, naming file, line and field.
 */
export async function* readRecord(file: string): AsyncGenerator<RecordLine, void> {
  const input = createReadStream(file, 'utf8');
  let number = 0;
  let cutOff: PenstockError | undefined;
  try {
    for await (const text of createInterface({ input, crlfDelay: Infinity })) {
      number += 1;
      if (text === '') continue;
      const json = parseJson(text);
      const line = json === undefined ? undefined : check(json, `${file}:${number}`);
      if (cutOff !== undefined && line?.kind !== 'start') throw cutOff;
      if (number === 1 && line?.kind !== 'start') {
        throw invalid(`${file}:1: this is no record: it must begin with a line of kind "start"`);
      }
      cutOff = line === undefined ? invalid(`${file}:${number}: the line is no JSON object`) : undefined;
      if (line !== undefined) yield line;
    }
  } catch (error) {
    if (error instanceof PenstockError) throw error;
    throw new PenstockError('InvalidRecord', `cannot read ${file}: ${describeError(error)}`, {
      cause: error,
    });
  }
  if (number === 0) throw invalid(`${file} is empty`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Cut off.
  }
}

function check(json: unknown, where: string): RecordLine {
  const parsed = recordLineSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join('.') ?? '';
  throw invalid(`${where}: field "${field}": ${issue?.message ?? 'invalid'}`);
}

const invalid = (message: string): PenstockError => new PenstockError('InvalidRecord', message);
