import { PenstockError } from '#common/errors.ts';
import { load, longestSeconds, mostJobs } from './load.ts';
import type { Load } from './load.ts';
import { parseDurationMs } from './duration.ts';
import type { Random } from './random.ts';

/** Jobs per second over time. */
type RateFunction = { readonly seconds: number; readonly perSecond: (second: number) => number };

const grammar =
  'give constant:RATE:DURATION, sine:MEAN:AMPLITUDE:PERIOD:DURATION, or steps:RATE@DURATION,… with *TIMES to repeat ' +
  'them, e.g. sine:10/s:9/s:12m:1h or steps:20/s@40s,0/s@260s*12; rates are per s, m or h, durations in ms, s, m, h or d';
const mostPerSecond = 1_000_000;

/**
 * A load drawn from a rate function: jobs arrive as a Poisson process.
 *
 * | text | rate |
 * |---|---|
 * | `constant:5/s:1h` | the same all the time |
 * | `sine:10/s:9/s:12m:1h` | mean, amplitude, period; never below 0 |
 * | `steps:20/s@40s,0/s@260s*12` | one rate after the other, and all of that 12 times |
 *
 * @throws PenstockError `InvalidTrace`
 */
export function loadFromRate(text: string, random: Random): Load {
  const rate = parseRate(text);
  const name = `rate "${text}"`;
  if (rate.seconds > longestSeconds)
    throw invalid(text, `it lasts ${rate.seconds} s, ${longestSeconds} are the most`);
  const expected = expectedJobs(rate);
  if (expected > mostJobs)
    throw invalid(text, `it gives ${expected.toExponential(1)} jobs, ${mostJobs} are the most`);
  const bins = Array.from({ length: Math.ceil(rate.seconds) }, (_, second) => ({
    fromMs: second * 1_000,
    toMs: (second + 1) * 1_000,
    jobs: random.poisson(rate.perSecond(second)),
  }));
  return load(bins, name);
}

/** Summed before anything is drawn, which would take as long as there are jobs. */
function expectedJobs({ seconds, perSecond }: RateFunction): number {
  let jobs = 0;
  for (let second = 0; second < seconds; second += 1) jobs += perSecond(second);
  return jobs;
}

function parseRate(text: string): RateFunction {
  const [kind, ...parts] = text.split(':');
  const [first = '', second = '', third = '', fourth = ''] = parts;
  if (kind === 'constant' && parts.length === 2) {
    const mean = perSecond(first, text);
    return { seconds: duration(second, text), perSecond: () => mean };
  }
  if (kind === 'sine' && parts.length === 4) {
    const [mean, amplitude, period] = [
      perSecond(first, text),
      perSecond(second, text),
      duration(third, text),
    ];
    const wave = (at: number): number =>
      Math.max(0, mean + amplitude * Math.sin((2 * Math.PI * at) / period));
    return { seconds: duration(fourth, text), perSecond: wave };
  }
  if (kind === 'steps' && parts.length === 1) return steps(first, text);
  throw invalid(text, 'this form is not known');
}

function steps(list: string, text: string): RateFunction {
  const [, body = '', times = '1'] = /^(.*?)(?:\*(\d{1,6}))?$/.exec(list) ?? [];
  const parsed = body.split(',').map((step) => {
    const [rate = '', seconds = ''] = step.split('@');
    return { rate: perSecond(rate, text), seconds: duration(seconds, text) };
  });
  const period = parsed.reduce((sum, { seconds }) => sum + seconds, 0);
  const rateAt = (second: number): number => {
    let left = second % period;
    for (const { rate, seconds } of parsed) {
      if (left < seconds) return rate;
      left -= seconds;
    }
    return 0;
  };
  return { seconds: period * Number(times), perSecond: rateAt };
}

function perSecond(text: string, whole: string): number {
  const [, amount = '', unit] = /^(\d+(?:\.\d+)?)\/(s|m|h)$/.exec(text) ?? [];
  const rate = Number(amount) / (unit === 'h' ? 3_600 : unit === 'm' ? 60 : 1);
  if (amount === '' || rate > mostPerSecond)
    throw invalid(whole, `"${text}" is no rate up to ${mostPerSecond}/s`);
  return rate;
}

function duration(text: string, whole: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined || ms < 1_000) throw invalid(whole, `"${text}" is no duration of a second or more`);
  return ms / 1_000;
}

const invalid = (text: string, why: string): PenstockError =>
  new PenstockError('InvalidTrace', `rate "${text.slice(0, 80)}": ${why}; ${grammar}`);
