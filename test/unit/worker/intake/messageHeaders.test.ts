import { expect, test } from 'vitest';
import { readMessageHeaders } from '../../../../worker/intake/messageHeaders.ts';

test('a message keeps what is meant for it, and nothing of the connection', () => {
  expect(
    readMessageHeaders({
      host: 'intake',
      authorization: 'secret',
      'content-type': 'application/json',
      traceparent: '00-1',
      'idempotency-key': 'a',
      'penstock-header-tenant': 'acme',
    }),
  ).toEqual({
    id: 'a',
    headers: { 'content-type': 'application/json', traceparent: '00-1', tenant: 'acme' },
  });
});

test.each([
  'penstock-header-',
  'penstock-header-nats-msg-id',
  'penstock-header-nats-rollup',
  'penstock-header-penstock-idempotency-key',
])('%s is refused', (name) => {
  expect(() => readMessageHeaders({ [name]: 'x' })).toThrow(`${name} is not for senders to set`);
});

test.each(['', 'x'.repeat(513)])('a key of a wrong length is refused', (key) => {
  expect(() => readMessageHeaders({ 'idempotency-key': key })).toThrow(/1 to 512 characters/);
});
