import type { Job } from './job.ts';

/**
 * What tells jobs apart for order and for limits per key: a header, a token of the subject (counted from 1), or a
 * function. Undefined and '' mean that the job has no key.
 */
export type KeySource = `header:${string}` | `subject:${number}` | ((job: Job) => string | undefined);

/** A longer key is cut, so that keys stay small; jobs whose keys begin alike then share one. */
const maxKeyChars = 256;

export const keySourcePattern = /^(?:header:[!-9;-~]+|subject:[1-9]\d{0,2})$/;

/** @throws whatever the author's function throws. */
export type KeyReader = (job: Job) => string | undefined;

/** @param source fits `keySourcePattern` when it is text. */
export function compileKey(source: KeySource): KeyReader {
  const read = typeof source === 'function' ? source : readerOf(source);
  return (job) => {
    const key = read(job);
    return key === undefined || key === '' ? undefined : key.slice(0, maxKeyChars);
  };
}

function readerOf(source: string): KeyReader {
  const [kind, what = ''] = source.split(':');
  if (kind === 'subject') return (job) => job.subject.split('.')[Number(what) - 1];
  const name = what.toLowerCase();
  return (job) => job.headers.get(name);
}
