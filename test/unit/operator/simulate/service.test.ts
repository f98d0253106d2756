import { expect, it } from 'vitest';
import { seededRandom } from '../../../../operator/simulate/random.ts';
import { parseService } from '../../../../operator/simulate/service.ts';
import { mean } from '../../../builders/mean.ts';

it.each([
  { text: 'constant:2s', meanMs: 2_000, variation: 0 },
  { text: 'exponential:500ms', meanMs: 500, variation: 1 },
  { text: 'lognormal:1s', meanMs: 1_000, variation: 1 },
  { text: 'lognormal:1.5s:0.5', meanMs: 1_500, variation: 0.5 },
])('$text has its mean and its coefficient of variation', ({ text, meanMs, variation }) => {
  const service = parseService(text);
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
  'constant:1s:2',
  'exponential:1h',
  'constant:9999999s',
])('"%s" is refused', (text) => {
  expect(() => parseService(text)).toThrow(/is not understood; give constant:MEAN/);
});
