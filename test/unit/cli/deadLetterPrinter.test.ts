import { expect, test } from 'vitest';
import { letterAsJson, letterInFull, letterLine } from '../../../cli/deadLetterPrinter.ts';
import type { DeadLetter } from '../../../worker/deadLetters/letter.ts';

const letter: DeadLetter = {
  sequence: 3,
  storedAtMs: Date.UTC(2026, 0, 1),
  reason: 'Discarded',
  error: 'no \u001b[31muser',
  stack: 'at handler (/jobs/resize.ts:7:9); at run (/jobs/run.ts:1:1)',
  attempts: 2,
  origin: { stream: 'JOBS', consumer: 'work', sequence: 7, subject: 'JOBS.a' },
  idempotencyKey: 'order-9',
  publishedAt: undefined,
  failedAt: undefined,
  headers: [['Trace', ['abc']]],
  data: new TextEncoder().encode('{"n":1}\n\u001b]0;title\u0007'),
};

test('a line names the job, and lets nothing steer the terminal', () => {
  expect(letterLine(letter)).toBe(
    '3  2026-01-01T00:00:00.000Z  Discarded  2 attempts  JOBS/work:7  JOBS.a  no \u{fffd}[31muser',
  );
});

test('a letter that no worker wrote has a line too', () => {
  const foreign = { ...letter, reason: undefined, error: undefined, attempts: undefined, origin: undefined };
  expect(letterLine(foreign)).toBe('3  2026-01-01T00:00:00.000Z  ?  ? attempts  ?  ?');
});

test('in full, headers and payload are shown', () => {
  const text = letterInFull(letter);
  expect(text).toMatch(/^header Trace +abc$/m);
  expect(text).toMatch(/^ +at handler \(\/jobs\/resize\.ts:7:9\)\n +at run /m);
  expect(text).toMatch(/^idempotency key +order-9$/m);
  expect(text).toContain('{"n":1}\n\u{fffd}]0;title\u{fffd}');
});

test('a payload that is no text is shown in hexadecimal, a long one in part', () => {
  expect(letterInFull({ ...letter, data: new Uint8Array([0xff, 0x00]) })).toMatch(/\nff00$/);
  const long = new TextEncoder().encode('é'.repeat(4_000));
  expect(letterInFull({ ...letter, data: long.subarray(1) })).toContain('3903 more bytes');
  expect(letterInFull({ ...letter, data: long })).toMatch(/é\n… 3904 more bytes; --json has all$/);
});

test('as JSON it keeps what was written', () => {
  const json = JSON.parse(JSON.stringify(letterAsJson(letter))) as unknown;
  expect(json).toMatchObject({ sequence: 3, error: letter.error, headers: { Trace: ['abc'] }, bytes: 18 });
});
