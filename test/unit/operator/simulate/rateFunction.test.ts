import { expect, it } from 'vitest';
import { seededRandom } from '../../../../operator/simulate/random.ts';
import { loadFromRate } from '../../../../operator/simulate/rateFunction.ts';

const jobsWithin = (text: string, from: number, to: number): number =>
  loadFromRate(text, seededRandom(1))
    .bins.slice(from, to)
    .reduce((sum, { jobs }) => sum + jobs, 0);

it.each([
  { text: 'constant:50/s:10m', seconds: 600, part: [0, 600], perSecond: 50 },
  { text: 'constant:600/m:10m', seconds: 600, part: [0, 600], perSecond: 10 },
  { text: 'sine:20/s:10/s:10m:1h', seconds: 3_600, part: [0, 3_600], perSecond: 20 },
  { text: 'sine:20/s:10/s:40m:1h', seconds: 3_600, part: [500, 700], perSecond: 30 },
  { text: 'steps:50/s@40s,0/s@260s*12', seconds: 3_600, part: [300, 340], perSecond: 50 },
  { text: 'steps:50/s@40s,0/s@260s*12', seconds: 3_600, part: [340, 600], perSecond: 0 },
])('$text draws a Poisson process of that rate', ({ text, seconds, part, perSecond }) => {
  const [from = 0, to = 0] = part;
  const expected = perSecond * (to - from);
  expect(loadFromRate(text, seededRandom(1)).seconds).toBe(seconds);
  expect(Math.abs(jobsWithin(text, from, to) - expected)).toBeLessThanOrEqual(
    4 * Math.sqrt(expected) + expected / 100,
  );
});

it('is the same for the same seed', () => {
  const text = 'sine:20/s:10/s:10m:1h';
  expect(loadFromRate(text, seededRandom(3))).toEqual(loadFromRate(text, seededRandom(3)));
  expect(loadFromRate(text, seededRandom(3))).not.toEqual(loadFromRate(text, seededRandom(4)));
});

it.each([
  { text: 'waves', says: /this form is not known; give constant:RATE:DURATION/ },
  { text: 'sine:1/s:1/s:1m', says: /this form is not known/ },
  { text: 'constant:5:1h', says: /"5" is no rate/ },
  { text: 'constant:-5/s:1h', says: /"-5\/s" is no rate/ },
  { text: 'constant:1e9/s:1h', says: /"1e9\/s" is no rate/ },
  { text: 'constant:9999999/s:1h', says: /"9999999\/s" is no rate up to 1000000/ },
  { text: 'constant:5/s:0s', says: /"0s" is no duration of a second or more/ },
  { text: 'steps:5/s@1m,6/s', says: /"" is no duration/ },
  { text: 'constant:1/s:9999d', says: /it lasts .* 2678400 are the most/ },
  { text: 'constant:1000000/s:1d', says: /it gives 8\.6e\+10 jobs, 100000000 are the most/ },
])('"$text" is refused', ({ text, says }) => {
  expect(() => loadFromRate(text, seededRandom(1))).toThrow(says);
});
