import fc from 'fast-check';
import { expect, test } from 'vitest';
import { describeError, toError } from '#common/errors.ts';

test('the message has those of its causes, once each', () => {
  const root = new Error('connection refused');
  const middle = new Error('asking failed', { cause: root });
  expect(describeError(new Error('pass failed', { cause: middle }))).toBe(
    'pass failed: asking failed: connection refused',
  );
  expect(describeError(new Error('same', { cause: new Error('same') }))).toBe('same');
});

test('causes in a circle come to an end', () => {
  const error = new Error('a');
  error.cause = new Error('b', { cause: error });
  expect(describeError(error)).toBe('a: b');
});

test('whatever is thrown becomes an error', () => {
  fc.assert(
    fc.property(fc.anything(), (thrown) => {
      expect(toError(thrown)).toBeInstanceOf(Error);
      expect(typeof describeError(thrown)).toBe('string');
    }),
  );
});
