import { PenstockError } from '#common/errors.ts';

/** JetStream names are one token of a subject: a dot or wildcard in one would reach another subject. */
export const jetStreamNamePattern = /^[^\s.*>/\\\p{Cc}]{1,255}$/u;

export function requireName(option: string, value: string): string {
  if (jetStreamNamePattern.test(value)) return value;
  throw invalidOption(option, value, 'must be a name without blanks, dots, wildcards and slashes');
}

export function requireCount(option: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw invalidOption(option, value, `must be a whole number, at least ${least}`);
}

export function requireNumber(option: string, value: number, least: number, most: number): number {
  if (value >= least && value <= most) return value;
  throw invalidOption(option, value, `must be a number from ${least} to ${most}`);
}

/** Timers of Node end at 2^31 − 1 milliseconds. */
const maxMs = 2_147_483_647;

export function requireMs(option: string, value: number): number {
  if (value > 0 && value <= maxMs) return value;
  throw invalidOption(option, value, `must be milliseconds, above 0 and at most ${maxMs}`);
}

/** What NATS allows as the name of a bucket. */
export const bucketNamePattern = /^[A-Za-z0-9_-]{1,200}$/;

export function requireBucket(option: string, value: string): string {
  if (bucketNamePattern.test(value)) return value;
  throw invalidOption(option, value, 'must be the name of a bucket: letters, digits, _ and -');
}

/** What the server grants at least as the time to live of an entry. */
const minBucketTtlMs = 1_000;

export function requireBucketTtl(option: string, value: number): number {
  if (value >= minBucketTtlMs && value <= maxMs) return value;
  throw invalidOption(option, value, `must be milliseconds, from ${minBucketTtlMs} to ${maxMs}`);
}

/** Every mistake in the options: what, its value, and what to do. */
export function invalidOption(option: string, value: unknown, remedy: string): PenstockError {
  return new PenstockError('InvalidOptions', `${option} is ${JSON.stringify(value)}: ${remedy}`);
}
