import { expect, test } from 'vitest';
import { buildJobEnvironment } from '../../../../worker/handle/command/environment.ts';
import { judgeExit } from '../../../../worker/handle/command/exit.ts';
import type { CommandAnswer, CommandEnd } from '../../../../worker/handle/command/exit.ts';
import { Discard } from '../../../../worker/index.ts';
import { job } from '../../../builders/job.ts';

const cases: Record<string, { end: CommandEnd; answer: CommandAnswer }> = {
  'ends well': { end: { code: 0, signal: null }, answer: 'ack' },
  'finds its input wrong': { end: { code: 65, signal: null }, answer: 'discard' },
  'asks for another time': { end: { code: 75, signal: null }, answer: 'retryLater' },
  fails: { end: { code: 1, signal: null }, answer: 'fail' },
  'has a code of its own': { end: { code: 255, signal: null }, answer: 'fail' },
  'is ended by a signal': { end: { code: null, signal: 'SIGSEGV' }, answer: 'fail' },
};
test.each(Object.entries(cases))('a command that %s', (_, { end, answer }) => {
  expect(judgeExit(end)).toBe(answer);
});

const deadline = new Date('2026-01-01T00:05:00Z');

test('a job is told in variables', () => {
  expect(buildJobEnvironment(job({ headers: new Map([['x-tenant', 'acme']]) }), deadline)).toEqual({
    PENSTOCK_JOB_SUBJECT: 'jobs.one',
    PENSTOCK_JOB_STREAM: 'JOBS',
    PENSTOCK_JOB_SEQUENCE: '7',
    PENSTOCK_JOB_ATTEMPT: '2',
    PENSTOCK_JOB_DELIVERIES: '2',
    PENSTOCK_JOB_KEY: 'JOBS:7',
    PENSTOCK_JOB_PUBLISHED_AT: '2026-01-01T00:00:00.000Z',
    PENSTOCK_JOB_DEADLINE: '2026-01-01T00:05:00.000Z',
    PENSTOCK_JOB_HEADERS: '{"x-tenant":"acme"}',
  });
});

test('a NUL, which would keep the command from starting, is replaced', () => {
  expect(buildJobEnvironment(job({ idempotencyKey: 'a\0b' }), deadline)).toMatchObject({
    PENSTOCK_JOB_KEY: 'a\u{FFFD}b',
  });
});

test('headers that the kernel would not take are a fault of the job', () => {
  const headers = new Map([['x', 'y'.repeat(200_000)]]);
  expect(() => buildJobEnvironment(job({ headers }), deadline)).toThrow(Discard);
});
