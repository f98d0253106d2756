import { expect, test } from 'vitest';
import { readConfig } from '../../../../worker/intake/config.ts';

const routes = { PENSTOCK_INTAKE_ROUTES: '/images=IMAGES.new, /mails/in=MAILS.new' };

test('routes are read by path', () => {
  expect([...readConfig(routes).routes]).toEqual([
    ['/images', 'IMAGES.new'],
    ['/mails/in', 'MAILS.new'],
  ]);
});

test('nothing is bounded by rate or backlog unless asked for', () => {
  expect(readConfig(routes)).toMatchObject({ rate: undefined, backlog: undefined, maxInFlight: 200 });
});

const backlog = {
  PENSTOCK_INTAKE_STREAM: 'IMAGES',
  PENSTOCK_INTAKE_CONSUMER: 'resize',
  PENSTOCK_INTAKE_MAX_BACKLOG: '100',
};
test('a backlog is bounded by three settings together', () => {
  expect(readConfig({ ...routes, ...backlog }).backlog).toEqual({
    stream: 'IMAGES',
    consumer: 'resize',
    max: 100,
  });
});

const refused: Record<string, { environment: Record<string, string>; says: RegExp }> = {
  'no routes': { environment: {}, says: /PENSTOCK_INTAKE_ROUTES/ },
  'a route without a subject': {
    environment: { PENSTOCK_INTAKE_ROUTES: '/images' },
    says: /"\/images" does not look like \/PATH=SUBJECT; e\.g\./,
  },
  'a route to a wildcard': {
    environment: { PENSTOCK_INTAKE_ROUTES: '/images=IMAGES.>' },
    says: /does not look like/,
  },
  'a path that is named twice': {
    environment: { PENSTOCK_INTAKE_ROUTES: '/a=A,/a=B' },
    says: /"\/a=B" names a path twice/,
  },
  'a bound without its consumer': {
    environment: { ...routes, PENSTOCK_INTAKE_MAX_BACKLOG: '5' },
    says: /PENSTOCK_INTAKE_STREAM: is required beside the other two[^]*PENSTOCK_INTAKE_CONSUMER/,
  },
  'a burst of no rate': {
    environment: { ...routes, PENSTOCK_INTAKE_RATE_BURST: '5' },
    says: /PENSTOCK_INTAKE_RATE_BURST=5: has no effect without PENSTOCK_INTAKE_RATE_PER_SECOND/,
  },
  'a port that is none': {
    environment: { ...routes, PENSTOCK_INTAKE_PORT: '70000' },
    says: /PENSTOCK_INTAKE_PORT=70000/,
  },
};
test.each(Object.entries(refused))('%s is refused', (_, { environment, says }) => {
  expect(() => readConfig(environment)).toThrow(says);
});
