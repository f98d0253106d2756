import { describe, expect, test } from 'vitest';
import {
  Discard,
  MalformedPayload,
  NotStarted,
  RetryLater,
  isWornOut,
  judge,
} from '../../../../worker/outcome/verdict.ts';

const policy = { maxAttempts: 3, backoff: { baseMs: 1_000, maxMs: 10_000 } };

type Case = { error: unknown; attempt?: number; interrupted?: boolean; expected: object };
const cases: Record<string, Case> = {
  'an error is retried after a jittered delay': {
    error: new Error('boom'),
    expected: { kind: 'retry', delayMs: 500 },
  },
  'the delay grows with the attempts': {
    error: new Error('boom'),
    attempt: 2,
    expected: { kind: 'retry', delayMs: 1_000 },
  },
  'RetryLater names its delay': { error: new RetryLater(42), expected: { kind: 'retry', delayMs: 42 } },
  'RetryLater without a delay takes the backoff': {
    error: new RetryLater(),
    expected: { kind: 'retry', delayMs: 500 },
  },
  'RetryLater with an impossible delay takes the backoff': {
    error: new RetryLater(-1),
    expected: { kind: 'retry', delayMs: 500 },
  },
  'RetryLater for a year is capped at a day': {
    error: new RetryLater(365 * 86_400_000),
    expected: { kind: 'retry', delayMs: 86_400_000 },
  },
  'RetryLater counts as an attempt': {
    error: new RetryLater(42),
    attempt: 3,
    expected: { kind: 'deadLetter', reason: 'AttemptsExhausted' },
  },
  'the last attempt is the last': {
    error: new Error('boom'),
    attempt: 3,
    expected: { kind: 'deadLetter', reason: 'AttemptsExhausted' },
  },
  'Discard gives up at once': {
    error: new Discard('no such user'),
    expected: { kind: 'deadLetter', reason: 'Discarded' },
  },
  'a malformed payload gives up at once': {
    error: new MalformedPayload('not JSON'),
    expected: { kind: 'deadLetter', reason: 'MalformedPayload' },
  },
  'another copy of Discard counts as well': {
    error: Object.assign(new Error('gone'), { name: 'Discard' }),
    expected: { kind: 'deadLetter', reason: 'Discarded' },
  },
  'an interruption is no failure': {
    error: new Error('aborted'),
    attempt: 3,
    interrupted: true,
    expected: { kind: 'handBack' },
  },
  'a job that never ran is handed back, and uses up no attempt': {
    error: new NotStarted('the bucket cannot be read'),
    attempt: 3,
    expected: { kind: 'handBack' },
  },
  'Discard holds during an interruption': {
    error: new Discard('no such user'),
    interrupted: true,
    expected: { kind: 'deadLetter', reason: 'Discarded' },
  },
  'undefined can be thrown': { error: undefined, expected: { kind: 'retry', delayMs: 500 } },
  'a string can be thrown': { error: 'boom', expected: { kind: 'retry', delayMs: 500 } },
};

describe('a job that did not return', () => {
  for (const [name, { error, attempt = 1, interrupted = false, expected }] of Object.entries(cases)) {
    test(name, () => expect(judge({ error, attempt, interrupted }, policy, 0.5)).toMatchObject(expected));
  }
});

test('a message that was delivered more than twice as often as allowed is worn out', () => {
  expect(isWornOut(6, 3)).toBe(false);
  expect(isWornOut(7, 3)).toBe(true);
});
