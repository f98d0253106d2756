import { InvalidArgumentError } from 'commander';
import { jetStreamNamePattern } from '../worker/optionChecks.ts';

/** An argument that names a stream or a consumer. */
export function jetStreamName(text: string): string {
  if (jetStreamNamePattern.test(text)) return text;
  throw new InvalidArgumentError(`"${text}" is not a name without blanks, dots, wildcards and slashes.`);
}
