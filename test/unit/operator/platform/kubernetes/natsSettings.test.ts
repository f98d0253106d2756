import { describe, expect, test } from 'vitest';
import { natsConnectionSpecSchema } from '#crds/nats-connection.ts';
import { natsSettings } from '../../../../../operator/platform/kubernetes/natsSettings.ts';
import type { Secret } from '../../../../../operator/platform/kubernetes/secrets.ts';

const secret = (
  values: Record<string, string>,
  allowedHosts: readonly string[] = ['nats.example'],
): Secret => ({
  values: new Map(Object.entries(values)),
  allowedHosts,
});

function settings(
  spec: unknown,
  found: Secret | Error = secret({}),
  allowedHosts: readonly string[] = [],
): unknown {
  const parsed = natsConnectionSpecSchema.parse({
    servers: ['nats://nats.example:4222'],
    ...(spec as object),
  });
  const result = natsSettings(parsed, () => found, allowedHosts);
  return result instanceof Error ? result.message : result;
}

describe('what a connection uses', () => {
  const base = { servers: ['nats://nats.example:4222'], inboxPrefix: '_INBOX', ignoreGossip: true };
  const cases: Record<
    string,
    { spec: unknown; values: Record<string, string>; uses: Record<string, string> }
  > = {
    'nothing but the servers': { spec: {}, values: {}, uses: {} },
    'the credentials file': {
      spec: { credentials: { secretName: 's' } },
      values: { 'nats.creds': 'JWT' },
      uses: { creds: 'JWT' },
    },
    'an nkey under another key': {
      spec: { nkey: { secretName: 's', key: 'seed' } },
      values: { seed: 'SU…' },
      uses: { nkeySeed: 'SU…' },
    },
    'a token': { spec: { token: { secretName: 's' } }, values: { token: 't' }, uses: { token: 't' } },
    'user and password': {
      spec: { userPassword: { secretName: 's' } },
      values: { username: 'u', password: 'p' },
      uses: { user: 'u', password: 'p' },
    },
    'a CA without a client certificate': {
      spec: { tls: { secretName: 's' } },
      values: { 'ca.crt': 'PEM' },
      uses: { ca: 'PEM' },
    },
  };
  test.each(Object.entries(cases))('%s', (_, { spec, values, uses }) => {
    expect(settings(spec, secret(values))).toEqual({ ...base, ...uses });
  });
});

describe('what a connection refuses', () => {
  const token = { token: { secretName: 's' } };
  const cases: Record<string, { spec: unknown; found?: Secret | Error; hosts?: string[]; says: RegExp }> = {
    'a secret that cannot be read': {
      spec: token,
      found: new Error('Secret s is gone'),
      says: /^Secret s is gone$/,
    },
    'a secret without the key': { spec: token, found: secret({}), says: /^Secret s has no key "token"$/ },
    'a secret whose value is empty': {
      spec: token,
      found: secret({ token: '' }),
      says: /has no key "token"/,
    },
    'a secret that names no host': {
      spec: token,
      found: secret({ token: 't' }, []),
      says: /^Secret s may not be used with nats\.example: name it in its annotation penstock\.dev\/nats-servers$/,
    },
    'a secret that names another host': {
      spec: { ...token, servers: ['nats://nats.example:4222', 'nats://evil.example:4222'] },
      found: secret({ token: 't' }, ['nats.example']),
      says: /may not be used with evil\.example/,
    },
    'a host whose end only looks like the allowed one': {
      spec: { ...token, servers: ['nats://evilnats.example:4222'] },
      found: secret({ token: 't' }, ['*.nats.example']),
      says: /may not be used with evilnats\.example/,
    },
    'a host that the operator may not connect to': {
      spec: { servers: ['nats://169.254.169.254:80'] },
      hosts: ['*.nats.svc'],
      says: /^169\.254\.169\.254 is not among the hosts .*PENSTOCK_NATS_HOSTS/,
    },
  };
  test.each(Object.entries(cases))('%s', (_, { spec, found, hosts, says }) => {
    expect(settings(spec, found, hosts)).toMatch(says);
  });
});

test('a pattern allows every host that ends like it, however it is written', () => {
  const spec = { servers: ['nats://NATS.Prod.svc:4222'], token: { secretName: 's' } };
  expect(settings(spec, secret({ token: 't' }, ['*.prod.svc']), ['*.svc'])).toMatchObject({ token: 't' });
});
