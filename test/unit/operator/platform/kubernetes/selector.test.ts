import { describe, expect, test } from 'vitest';
import { matches, parseSelector } from '../../../../../operator/platform/kubernetes/selector.ts';

describe('a selector', () => {
  const cases: Record<
    string,
    { selector: string; fits: Record<string, string>[]; not: Record<string, string>[] }
  > = {
    'of one label': { selector: 'app=work', fits: [{ app: 'work', tier: 'x' }], not: [{}, { app: 'other' }] },
    'of two labels': {
      selector: 'app=work,tier==web',
      fits: [{ app: 'work', tier: 'web' }],
      not: [{ app: 'work' }],
    },
    'that excludes a value': { selector: 'app!=work', fits: [{}, { app: 'other' }], not: [{ app: 'work' }] },
    'of a set': {
      selector: 'app in (a, b),x',
      fits: [{ app: 'b', x: '' }],
      not: [{ app: 'c', x: '' }, { app: 'a' }],
    },
    'that excludes a set': { selector: 'app notin (a,b)', fits: [{}, { app: 'c' }], not: [{ app: 'a' }] },
    'of a label that must be absent': { selector: '!old', fits: [{}], not: [{ old: 'yes' }] },
    'with prefixes': {
      selector: 'penstock.dev/pool=work',
      fits: [{ 'penstock.dev/pool': 'work' }],
      not: [{ pool: 'work' }],
    },
  };
  test.each(Object.entries(cases))('%s', (_, { selector, fits, not }) => {
    const parsed = parseSelector(selector);
    expect(fits.every((labels) => matches(parsed, labels))).toBe(true);
    expect(not.some((labels) => matches(parsed, labels))).toBe(false);
  });

  test('that cannot be read is refused, with the part', () => {
    expect(() => parseSelector('app=work,a>b c')).toThrow(/cannot read "a>b c"/);
  });

  test('that is empty demands nothing', () => expect(parseSelector('')).toEqual([]));

  test('never looks into prototypes', () => {
    expect(matches(parseSelector('constructor'), {})).toBe(false);
  });
});
