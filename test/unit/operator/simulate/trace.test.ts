import { describe, expect, it } from 'vitest';
import { arrivalsOf } from '../../../../operator/simulate/load.ts';
import type { Load } from '../../../../operator/simulate/load.ts';
import { seededRandom } from '../../../../operator/simulate/random.ts';
import { parseTrace } from '../../../../operator/simulate/trace.ts';

/** Jobs that arrive within each second. */
function perSecond(load: Load): readonly number[] {
  const arrivals = arrivalsOf(load, seededRandom(1));
  return Array.from({ length: load.seconds }, (_, second) => arrivals((second + 1) * 1_000).length);
}

describe('a trace', () => {
  it.each([
    { title: 'of arrivals per second', text: 't_seconds,arrivals\n0,3\n1,0\n2,5\n', then: [3, 0, 5] },
    { title: 'of single jobs is counted', text: 't,ctx\n0.1,9\n0.2,9\n2.5,9\n', then: [2, 0, 1] },
    { title: 'of one job', text: 't\n7\n', then: [1] },
    { title: 'that begins late is shifted', text: 't,arrivals\n100,1\n101,2\n', then: [1, 2] },
    { title: 'with empty lines and CRLF', text: 't,arrivals\r\n0,1\r\n\r\n1,2\r\n', then: [1, 2] },
    { title: 'with blanks around its cells', text: 't , arrivals\n 0, 1\n 1, 2\n', then: [1, 2] },
    { title: 'of one bin, which is a second', text: 't,arrivals\n0,4\n', then: [4] },
  ])('$title', ({ text, then }) => {
    expect(perSecond(parseTrace(text, 'x.csv'))).toEqual(then);
  });

  it('of longer bins has its jobs within them, evenly at random', () => {
    const load = parseTrace('t,arrivals\n0,4000\n4,8000\n', 'x.csv');
    const jobs = perSecond(load);
    expect(load.seconds).toBe(8);
    expect(jobs.slice(0, 4).reduce((a, b) => a + b)).toBe(4_000);
    for (const [second, count] of jobs.entries())
      expect(Math.abs(count - (second < 4 ? 1_000 : 2_000))).toBeLessThan(150);
  });

  it('passes faster by the time scale', () => {
    const load = parseTrace('t,arrivals\n0,3\n60,5\n', 'x.csv', { timeScale: 60 });
    expect(perSecond(load)).toEqual([3, 5]);
  });

  it('with gaps is taken for quiet there, if that is asked for', () => {
    const load = parseTrace('t,arrivals\n0,1\n1,2\n4,3\n', 'x.csv', { areGapsQuiet: true });
    expect(perSecond(load)).toEqual([1, 2, 0, 0, 3]);
  });

  it.each([
    { title: 'no time', text: 'when,arrivals\n0,1', says: /x\.csv:1: there is no column "t_seconds" or "t"/ },
    { title: 'nothing', text: 't,arrivals\n', says: /x\.csv has no row/ },
    { title: 'a negative count', text: 't,arrivals\n0,-1', says: /x\.csv:2: column "arrivals" is "-1"/ },
    {
      title: 'half a job',
      text: 't,arrivals\n0,0.5',
      says: /x\.csv:2: column "arrivals" is 0.5; give a whole/,
    },
    { title: 'a word', text: 't,arrivals\nsoon,1', says: /x\.csv:2: column "t" is "soon"/ },
    { title: 'a missing cell', text: 't,arrivals\n0', says: /x\.csv:2: column "arrivals" is missing/ },
    { title: 'unsorted times', text: 't,arrivals\n5,1\n3,1', says: /x\.csv:3: time 3 is before 5; sort/ },
    {
      title: 'a time twice',
      text: 't,arrivals\n5,1\n5,1',
      says: /x\.csv:3: two bins begin at the same time/,
    },
    {
      title: 'a gap',
      text: 't,arrivals\n0,1\n1,1\n9,1',
      says: /x\.csv:4: this row is 8 s after the last, others are 1 s apart; add the rows .* --gaps quiet/,
    },
    { title: 'a span of years', text: 't,arrivals\n0,1\n1e9,1', says: /spans 2000000000 s/ },
    {
      title: 'absurdly many',
      text: 't,arrivals\n0,1e12',
      says: /x\.csv:2: column "arrivals" is 1000000000000; give/,
    },
    {
      title: 'too many in all',
      text: 't,arrivals\n0,9e7\n1,9e7',
      says: /x\.csv: 180000000 jobs arrive; give no more/,
    },
  ])('with $title is refused', ({ text, says }) => {
    expect(() => parseTrace(text, 'x.csv')).toThrow(says);
  });
});
