import { expect, test } from 'vitest';
import { judgeStatus } from '../../../../worker/handle/http/status.ts';

const nowMs = Date.parse('2026-01-01T00:00:00Z');
const again = { kind: 'retry', delayMs: undefined };

const cases: Record<string, { statuses: number[]; retryAfter?: string; expected: object }> = {
  'a success is acked': { statuses: [200, 201, 202, 204, 299], expected: { kind: 'ack' } },
  'a job that the handler refuses is given up': {
    statuses: [400, 402, 406, 410, 411, 413, 414, 415, 422, 431, 451, 499],
    expected: { kind: 'discard' },
  },
  'a wrong address or missing right is no fault of the job': {
    statuses: [301, 302, 304, 401, 403, 404, 405, 407, 421],
    expected: again,
  },
  'a moment that passes': { statuses: [408, 409, 423, 424, 425, 429], expected: again },
  'a server that fails': { statuses: [500, 501, 502, 503, 504, 599], expected: again },
  'what is no status of HTTP': { statuses: [0, 99, 600, 999], expected: again },
  'seconds to wait': {
    statuses: [429, 503, 500],
    retryAfter: '7',
    expected: { kind: 'retry', delayMs: 7_000 },
  },
  'no time to wait': { statuses: [503], retryAfter: '0', expected: { kind: 'retry', delayMs: 0 } },
  'a date to wait for': {
    statuses: [503],
    retryAfter: 'Thu, 01 Jan 2026 00:00:30 GMT',
    expected: { kind: 'retry', delayMs: 30_000 },
  },
  'a date that is over': {
    statuses: [503],
    retryAfter: 'Wed, 31 Dec 2025 23:00:00 GMT',
    expected: { kind: 'retry', delayMs: 0 },
  },
  'a time to wait that cannot be read': { statuses: [503], retryAfter: 'soon', expected: again },
  'a refusal, whatever else it says': { statuses: [422], retryAfter: '7', expected: { kind: 'discard' } },
};

test.each(Object.entries(cases))('%s', (_, { statuses, retryAfter, expected }) => {
  for (const status of statuses)
    expect(judgeStatus(status, retryAfter, nowMs), `${status}`).toEqual(expected);
});
