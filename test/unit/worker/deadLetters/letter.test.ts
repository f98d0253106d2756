import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { matches, readLetter } from '../../../../worker/deadLetters/letter.ts';
import type { LetterFilter } from '../../../../worker/deadLetters/letter.ts';

const written: Record<string, string[]> = {
  'Nats-Msg-Id': ['JOBS:7:work'],
  Trace: ['a', 'b'],
  'Penstock-Reason': ['Discarded'],
  'Penstock-Error': ['no such user'],
  'Penstock-Stack': ['at handler (resize.ts:7:9)'],
  'Penstock-Attempts': ['2'],
  'Penstock-Origin-Stream': ['JOBS'],
  'Penstock-Origin-Consumer': ['work'],
  'Penstock-Origin-Sequence': ['7'],
  'Penstock-Origin-Subject': ['JOBS.a'],
  'Penstock-Idempotency-Key': ['order-9'],
  'Penstock-Published-At': ['2026-01-01T00:00:00.000Z'],
  'Penstock-Failed-At': ['2026-01-01T00:01:00.000Z'],
};

function letterWith(headers: Record<string, string[]>) {
  const data = new Uint8Array([1]);
  return readLetter({ sequence: 3, storedAtMs: 1_000, headers: new Map(Object.entries(headers)), data });
}

test('a letter tells its story, and the headers of the job apart from those of the transport', () => {
  expect(letterWith(written)).toEqual({
    sequence: 3,
    storedAtMs: 1_000,
    reason: 'Discarded',
    error: 'no such user',
    stack: 'at handler (resize.ts:7:9)',
    attempts: 2,
    origin: { stream: 'JOBS', consumer: 'work', sequence: 7, subject: 'JOBS.a' },
    idempotencyKey: 'order-9',
    publishedAt: '2026-01-01T00:00:00.000Z',
    failedAt: '2026-01-01T00:01:00.000Z',
    headers: [['Trace', ['a', 'b']]],
    data: new Uint8Array([1]),
  });
});

test.each(['Penstock-Origin-Stream', 'Penstock-Origin-Subject', 'Penstock-Origin-Sequence'])(
  'a letter without %s has no origin',
  (name) => {
    const others = Object.entries(written).filter(([other]) => other !== name);
    expect(letterWith(Object.fromEntries(others)).origin).toBeUndefined();
  },
);

test('any headers can be read', () => {
  const names = fc.oneof(fc.constantFrom(...Object.keys(written)), fc.string());
  fc.assert(
    fc.property(fc.dictionary(names, fc.array(fc.string())), (headers) => {
      const { attempts } = letterWith(headers);
      expect(attempts === undefined || Number.isSafeInteger(attempts)).toBe(true);
    }),
  );
});

describe('a filter', () => {
  const cases: Record<string, { filter: LetterFilter; lets: boolean }> = {
    'that says nothing lets through': { filter: {}, lets: true },
    'with all that is true lets through': {
      filter: { stream: 'JOBS', consumer: 'work', reason: 'Discarded', sequence: 3 },
      lets: true,
    },
    'with another stream does not': { filter: { stream: 'OTHER' }, lets: false },
    'with another consumer does not': { filter: { consumer: 'other' }, lets: false },
    'with another reason does not': { filter: { reason: 'AttemptsExhausted' }, lets: false },
    'with another number does not': { filter: { sequence: 4 }, lets: false },
    'before its time does not': { filter: { beforeMs: 1_000 }, lets: false },
    'after its time lets through': { filter: { beforeMs: 1_001 }, lets: true },
    'since its time lets through': { filter: { sinceMs: 1_000 }, lets: true },
    'since later does not': { filter: { sinceMs: 1_001 }, lets: false },
  };
  test.each(Object.entries(cases))('%s', (_, { filter, lets }) => {
    expect(matches(letterWith(written), filter)).toBe(lets);
  });

  test('by origin never lets a letter of unknown origin through', () => {
    expect(matches(letterWith({}), { stream: 'JOBS' })).toBe(false);
  });
});
