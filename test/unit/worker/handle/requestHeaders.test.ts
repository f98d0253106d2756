import fc from 'fast-check';
import { expect, test } from 'vitest';
import { buildRequestHeaders } from '../../../../worker/handle/http/requestHeaders.ts';
import { job } from '../../../builders/job.ts';

const deadline = new Date('2026-01-01T00:05:00Z');
const build = (overrides: Parameters<typeof job>[0]): Record<string, string> =>
  buildRequestHeaders(job(overrides), deadline);

test('a job is told in headers', () => {
  expect(build({ headers: new Map([['x-tenant', 'acme']]) })).toEqual({
    'content-type': 'application/octet-stream',
    'idempotency-key': 'JOBS:7',
    'penstock-subject': 'jobs.one',
    'penstock-stream': 'JOBS',
    'penstock-sequence': '7',
    'penstock-attempt': '2',
    'penstock-deliveries': '2',
    'penstock-published-at': '2026-01-01T00:00:00.000Z',
    'penstock-deadline': '2026-01-01T00:05:00.000Z',
    'penstock-header-x-tenant': 'acme',
  });
});

test('what HTTP and tracing know goes under its own name', () => {
  const own = { 'content-type': 'application/json', traceparent: '00-0af7-b7ad-01', baggage: 'a=1' };
  expect(build({ headers: new Map(Object.entries(own)) })).toMatchObject(own);
});

test('no message header can pose as one of the connection or of the worker', () => {
  const forged = ['host', 'content-length', 'transfer-encoding', 'connection', 'penstock-attempt'];
  const headers = build({ headers: new Map(forged.map((name) => [name, 'forged'])) });
  expect(headers['penstock-attempt']).toBe('2');
  for (const name of forged) expect(headers[`penstock-header-${name}`]).toBe('forged');
  expect(Object.keys(headers)).not.toContain('host');
});

test('any text can be carried, and read again', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const headers = build({ subject: text, headers: new Map([['x', text]]) });
      for (const value of [headers['penstock-subject'], headers['penstock-header-x']]) {
        expect(value).toMatch(/^[\x20-\x7e]*$/);
        expect(decodeURIComponent(value ?? '')).toBe(text.toWellFormed());
      }
    }),
  );
});

test('names that HTTP cannot carry are left out', () => {
  const headers = build({ headers: new Map(['', 'a b', 'a:b', 'ä', 'a\nb'].map((name) => [name, '1'])) });
  expect(Object.keys(headers).filter((name) => name.startsWith('penstock-header-'))).toEqual([]);
});
