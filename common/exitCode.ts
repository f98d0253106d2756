import { PenstockError } from './errors.ts';

/** Errors of what was typed, set or given as a file, not of what was done with it. */
const wrongInput: readonly string[] = [
  'InvalidConfiguration',
  'InvalidOptions',
  'InvalidHandler',
  'HandlerNotFound',
  'HandlerNotAFunction',
  'InvalidPolicy',
  'InvalidTrace',
  'InvalidService',
  'InvalidPeer',
  'InvalidRecord',
  'PartitionsRefused',
];

/** What a program ends with after an error: 2 when it was called or set up wrongly, else 1. */
export function exitCodeOf(error: unknown): 1 | 2 {
  return error instanceof PenstockError && wrongInput.includes(error.code) ? 2 : 1;
}
