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

const revoked = Proxy.revocable({}, {});
revoked.revoke();
const poisoned: Record<string, unknown> = {
  'a proxy that was revoked': revoked.proxy,
  'an error whose message throws': Object.defineProperty(new Error('x'), 'message', {
    get: () => {
      throw new Error('poison');
    },
  }),
  'an error whose name is a symbol': Object.assign(new Error('x'), { name: Symbol('name') }),
  'an error whose message is an object': Object.assign(new Error('x'), { message: { toString: 1 } }),
  'an error whose cause was revoked': new Error('x', { cause: revoked.proxy }),
  'an object that cannot be JSON': { toJSON: () => BigInt(1) },
};

test.each(Object.keys(poisoned))('what is thrown to do harm does none: %s', (name) => {
  const error = toError(poisoned[name]);
  expect([typeof error.name, typeof error.message, typeof describeError(poisoned[name])]).toEqual([
    'string',
    'string',
    'string',
  ]);
});
