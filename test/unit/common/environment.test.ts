import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { parseEnvironment } from '#common/environment.ts';
import { PenstockError } from '#common/errors.ts';
import { compileNatsSettings, natsEnvironmentSchema } from '#common/nats.ts';

describe('settings from the environment', () => {
  const schema = z.object({
    SLOTS: z.coerce.number().int().min(1).default(4),
    NATS_PASSWORD: z.string().min(8).optional(),
  });

  test('an empty value counts as not set', () => {
    expect(parseEnvironment(schema, { SLOTS: '' })).toEqual({ SLOTS: 4 });
  });

  test('every mistake is named with variable, value and remedy; a secret is not shown', () => {
    const parse = (): unknown => parseEnvironment(schema, { SLOTS: 'four', NATS_PASSWORD: 'secret' });
    expect(parse).toThrow(PenstockError);
    expect(parse).toThrow(/SLOTS=four: .*number/);
    expect(parse).toThrow(/NATS_PASSWORD=\*\*\*: .*8/);
    expect(parse).not.toThrow(/secret/);
  });
});

describe('the connection to NATS', () => {
  const compile = (environment: Record<string, string>): ReturnType<typeof compileNatsSettings> =>
    compileNatsSettings(parseEnvironment(natsEnvironmentSchema, environment));

  test('is to this machine unless it is said otherwise', () => {
    expect(compile({})).toEqual({ servers: ['nats://127.0.0.1:4222'], inboxPrefix: '_INBOX' });
  });

  test('takes several servers and the files of credentials', () => {
    expect(compile({ NATS_URL: 'nats://a:1, tls://b:2', NATS_CREDS: '/c', NATS_CA: '/ca' })).toMatchObject({
      servers: ['nats://a:1', 'tls://b:2'],
      credsFile: '/c',
      caFile: '/ca',
    });
  });

  test.each(['http://a', 'nats://user:password@a', 'nats://a/path', 'nats://'])('refuses %s', (url) => {
    expect(() => compile({ NATS_URL: url })).toThrow(/must look like nats:\/\/HOST:PORT/);
  });
});
