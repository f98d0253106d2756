import { expect, it } from 'vitest';
import { seededRandom } from '../../../../operator/simulate/random.ts';
import { parseService } from '../../../../operator/simulate/service.ts';
import { mean } from '../../../builders/mean.ts';

const jobs = 't,gen,ms\n0,10,1000\n1,30,3000\n';
const read = (): string => jobs;

it.each([
  { text: 'constant:2s', meanMs: 2_000, variation: 0 },
  { text: 'exponential:500ms', meanMs: 500, variation: 1 },
  { text: 'lognormal:1s', meanMs: 1_000, variation: 1 },
  { text: 'lognormal:1.5s:0.5', meanMs: 1_500, variation: 0.5 },
  { text: 'pareto:1s:4', meanMs: 1_000, variation: Math.sqrt(1 / 8) },
  { text: 'empirical:jobs.csv:gen:100ms', meanMs: 2_000, variation: 0.5 },
  { text: 'empirical:jobs.csv:ms', meanMs: 2_000, variation: 0.5 },
])('$text has its mean and its coefficient of variation', ({ text, meanMs, variation }) => {
  const service = parseService(text, read);
  const random = seededRandom(5);
  const drawn = Array.from({ length: 100_000 }, () => service.draw(random));
  const centre = mean(drawn);
  expect(service.meanMs).toBe(meanMs);
  expect(Math.abs(centre / meanMs - 1)).toBeLessThan(0.02);
  const deviation = Math.sqrt(mean(drawn.map((ms) => (ms - centre) ** 2)));
  expect(Math.abs(deviation / centre - variation)).toBeLessThan(0.05);
});

it.each([
  '',
  'fast',
  'constant:0s',
  'exponential:-1s',
  'exponential:1s:2',
  'exponential:1s:',
  'constant:1s:2',
  'exponential:1y',
  'constant:9999999s',
  'lognormal:1s:-1',
  'lognormal:1s:x',
  'pareto:1s:1',
  'pareto:1s',
  'empirical:jobs.csv:gen:0s',
  'empirical:jobs.csv:gen:fast',
])('"%s" is refused', (text) => {
  expect(() => parseService(text, read)).toThrow(/is not understood; give constant:MEAN/);
});

it.each([
  {
    title: 'no such column',
    text: 'empirical:f.csv',
    file: jobs,
    says: /f\.csv:1: there is no column "service_ms"/,
  },
  {
    title: 'no rows',
    text: 'empirical:f.csv:t',
    file: 't\n',
    says: /f\.csv: the mean of column "t" is NaN s/,
  },
  { title: 'only zeros', text: 'empirical:f.csv:t', file: 't\n0\n', says: /must be above 0 and up to a day/ },
  {
    title: 'a negative time',
    text: 'empirical:f.csv:t',
    file: 't\n-1\n',
    says: /f\.csv:2: column "t" is "-1"/,
  },
  {
    title: 'a time without end',
    text: 'empirical:f.csv:t',
    file: 't\n1\n1e999\n',
    says: /f\.csv:3: .* "1e999"/,
  },
])('a file with $title is refused', ({ text, file, says }) => {
  expect(() => parseService(text, () => file)).toThrow(says);
});
