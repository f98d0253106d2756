import { describe, expect, it } from 'vitest';
import { parseTrace } from '../../../../operator/simulate/trace.ts';

describe('a trace', () => {
  it.each([
    { title: 'of arrivals per second', text: 't_seconds,arrivals\n0,3\n1,0\n2,5\n', then: [3, 0, 5] },
    { title: 'of longer intervals is spread evenly', text: 't,arrivals\n0,4\n4,2\n', then: [1, 1, 1, 1, 2] },
    { title: 'of single jobs is counted', text: 't,ctx\n0.1,9\n0.2,9\n2.5,9\n', then: [2, 0, 1] },
    { title: 'that begins late is shifted', text: 't,arrivals\n100,1\n101,2\n', then: [1, 2] },
    { title: 'with empty lines and CRLF', text: 't,arrivals\r\n0,1\r\n\r\n1,2\r\n', then: [1, 2] },
  ])('$title', ({ text, then }) => {
    expect(parseTrace(text, 'x.csv')).toEqual(then);
  });

  it.each([
    { title: 'no time', text: 'when,arrivals\n0,1', says: /x\.csv:1: there is no column "t_seconds" or "t"/ },
    { title: 'nothing', text: 't,arrivals\n', says: /x\.csv has no row/ },
    { title: 'a negative count', text: 't,arrivals\n0,-1', says: /x\.csv:2: column "arrivals" is "-1"/ },
    { title: 'a word', text: 't,arrivals\nsoon,1', says: /x\.csv:2: column "t" is "soon"/ },
    { title: 'a missing cell', text: 't,arrivals\n0', says: /x\.csv:2: column "arrivals" is missing/ },
    { title: 'unsorted times', text: 't,arrivals\n5,1\n3,1', says: /x\.csv:3: time 3 is before 5; sort/ },
    { title: 'a span of years', text: 't,arrivals\n0,1\n1e9,1', says: /spans 1000000000 s/ },
    { title: 'absurdly many', text: 't,arrivals\n0,1e12', says: /x\.csv:2: more than 100000000 arrivals/ },
  ])('with $title is refused', ({ text, says }) => {
    expect(() => parseTrace(text, 'x.csv')).toThrow(says);
  });
});
