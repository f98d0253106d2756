import { expect, test } from 'vitest';
import { readConfig } from '../../../../worker/config.ts';
import { openHandler } from '../../../../worker/handle/choice.ts';

const given = (variable: string, value: string) => ({
  ...readConfig({
    PENSTOCK_STREAM: 'S',
    PENSTOCK_CONSUMER: 'C',
    PENSTOCK_LOG_LEVEL: 'silent',
    [variable]: value,
  }).handlerSettings,
  args: [],
});

test.each([
  ['exec:cat', 'PENSTOCK_LIMITS', 'database=3'],
  ['http://127.0.0.1:1/', 'PENSTOCK_LIMITS', 'database=3'],
  ['exec:cat', 'PENSTOCK_SINGLE_FLIGHT_BUCKET', 'FLIGHTS'],
  ['http://127.0.0.1:1/', 'PENSTOCK_SINGLE_FLIGHT_BUCKET', 'FLIGHTS'],
])('%s, which gets no context, is refused with %s', async (handler, variable, value) => {
  const opened = openHandler({ ...given(variable, value), handler });
  await expect(opened).rejects.toMatchObject({
    code: 'InvalidHandler',
    message: `${variable}=${value}: only the context of a module can use it; leave it out for ${handler}`,
  });
});

test('without them, it is taken', async () => {
  await using host = await openHandler({ ...given('PENSTOCK_LIMITS', ''), handler: 'http://127.0.0.1:1/' });
  expect(host.handle).toBeTypeOf('function');
});
