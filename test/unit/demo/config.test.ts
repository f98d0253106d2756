import { expect, test } from 'vitest';
import { parseConfig } from '../../../demo/config.ts';

test('without arguments it replays 90 s of the bundled trace at four times its speed', () => {
  const config = parseConfig([]);
  expect(config).toMatchObject({ seconds: 90, speed: 4, jsonTo: undefined });
  expect(config.traceFile).toMatch(/azure_llm_code_2023_jobs\.csv$/);
});

test('arguments are taken as they are given', () => {
  expect(
    parseConfig(['--seconds', '15', '--speed', '0.5', '--trace', 'a.csv', '--json', '-', '--plain']),
  ).toMatchObject({
    seconds: 15,
    speed: 0.5,
    traceFile: 'a.csv',
    jsonTo: '-',
    plain: true,
  });
});

test('settings of other NATS tools and workers do not reach what the demo starts', () => {
  process.env['NATS_CREDS'] = '/home/somebody/production.creds';
  try {
    const { environment } = parseConfig([]);
    expect(environment['NATS_CREDS']).toBeUndefined();
    expect(environment['PATH']).toBe(process.env['PATH']);
  } finally {
    delete process.env['NATS_CREDS'];
  }
});
