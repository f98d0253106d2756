import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { parseTrace, squeezeTrace } from '../../../demo/trace.ts';

test('rows become jobs in the order of their arrival, with the work that their tokens stand for', () => {
  expect(parseTrace('t,ctx,gen\n2.5,100,10\n0,7,400\r\n\n', 'x.csv')).toEqual([
    { atSeconds: 0, serviceMs: 5_000 },
    { atSeconds: 2.5, serviceMs: 200 },
  ]);
});

test('columns are found by their name', () => {
  expect(parseTrace('gen, t\n1,3\n', 'x.csv')).toEqual([{ atSeconds: 3, serviceMs: 20 }]);
});

test.each([
  {
    case: 'a missing column',
    text: 't,ctx\n0,1\n',
    message: 'x.csv:1: column "gen" is missing (found: t,ctx)',
  },
  { case: 'an empty file', text: '', message: 'x.csv:1: column "t" is missing' },
  { case: 'no rows', text: 't,gen\n', message: 'x.csv holds no job' },
  { case: 'a missing cell', text: 't,gen\n1,2\n3\n', message: 'x.csv:3: column "gen" is missing' },
  { case: 'a word for a number', text: 't,gen\nsoon,2\n', message: 'x.csv:2: column "t" is "soon"' },
  { case: 'an empty cell', text: 't,gen\n1,\n', message: 'x.csv:2: column "gen" is ""' },
  { case: 'a negative time', text: 't,gen\n-1,2\n', message: 'x.csv:2: column "t" is "-1"' },
  { case: 'an infinite time', text: 't,gen\nInfinity,2\n', message: 'x.csv:2: column "t" is "Infinity"' },
])('$case is named with its file and line', ({ text, message }) => {
  expect(() => parseTrace(text, 'x.csv')).toThrow(message);
});

test('speed squeezes arrivals and leaves the work as it is; what comes later than the replay is left out', () => {
  const jobs = [0, 7.9, 8, 9].map((atSeconds) => ({ atSeconds, serviceMs: 40 }));
  expect(squeezeTrace(jobs, 4, 2)).toEqual([
    { atSeconds: 0, serviceMs: 40 },
    { atSeconds: 1.975, serviceMs: 40 },
  ]);
});

test('the bundled trace is readable as a whole', async () => {
  const file = new URL('../../../examples/traces/azure_llm_code_2023_jobs.csv', import.meta.url);
  const jobs = parseTrace(await readFile(file, 'utf8'), 'azure_llm_code_2023_jobs.csv');
  expect(jobs).toHaveLength(8_819);
  expect(jobs.at(-1)?.atSeconds).toBeCloseTo(3_435.9);
});
