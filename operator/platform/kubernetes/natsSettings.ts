import { PenstockError } from '#common/errors.ts';
import type { NatsSettings } from '#common/nats.ts';
import type { NatsConnectionSpec } from '#crds/nats-connection.ts';
import { serversAnnotation } from './secrets.ts';
import type { Secret } from './secrets.ts';

export type ReadSecret = (name: string) => Secret | Error;

/**
 * From a NatsConnection and the secrets it names to what a connection needs.
 *
 * Whoever may write a NatsConnection chooses the hosts, and may not be allowed to read the secrets of the namespace: so
 * a secret is used only with hosts that its own annotation names.
 *
 * @param allowedHosts patterns of the operator's administrator; none means any host.
 */
export function natsSettings(
  spec: NatsConnectionSpec,
  readSecret: ReadSecret,
  allowedHosts: readonly string[],
): NatsSettings | Error {
  const hosts = spec.servers.map(hostOf);
  const foreign = hosts.find((host) => allowedHosts.length > 0 && !isAllowed(host, allowedHosts));
  if (foreign !== undefined) {
    return refused(
      `${foreign} is not among the hosts that this operator may connect to (PENSTOCK_NATS_HOSTS)`,
    );
  }
  const found: Record<string, string> = {};
  for (const { name, key, as, isOptional } of wantedValues(spec)) {
    const secret = readSecret(name);
    if (secret instanceof Error) return secret;
    const stranger = hosts.find((host) => !isAllowed(host, secret.allowedHosts));
    if (stranger !== undefined) {
      return refused(
        `Secret ${name} may not be used with ${stranger}: name it in its annotation ${serversAnnotation}`,
      );
    }
    const value = secret.values.get(key);
    if (value !== undefined && value !== '') found[as] = value;
    else if (!isOptional) return refused(`Secret ${name} has no key "${key}"`);
  }
  return { servers: spec.servers, inboxPrefix: '_INBOX', ignoreGossip: true, ...found };
}

type Wanted = {
  readonly name: string;
  readonly key: string;
  readonly as: keyof NatsSettings;
  readonly isOptional?: true;
};

function wantedValues({ credentials, nkey, token, userPassword, tls }: NatsConnectionSpec): Wanted[] {
  const wanted: Wanted[] = [];
  if (credentials) wanted.push({ name: credentials.secretName, key: credentials.key, as: 'creds' });
  if (nkey) wanted.push({ name: nkey.secretName, key: nkey.key, as: 'nkeySeed' });
  if (token) wanted.push({ name: token.secretName, key: token.key, as: 'token' });
  if (userPassword) {
    const { secretName: name, userKey, passwordKey } = userPassword;
    wanted.push({ name, key: userKey, as: 'user' }, { name, key: passwordKey, as: 'password' });
  }
  if (tls) {
    const name = tls.secretName;
    wanted.push(
      { name, key: tls.caKey, as: 'ca', isOptional: true },
      { name, key: tls.certKey, as: 'cert', isOptional: true },
      { name, key: tls.keyKey, as: 'key', isOptional: true },
    );
  }
  return wanted;
}

/** A pattern is a host, or `*.` and the end of one. */
function isAllowed(host: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) =>
    pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : host === pattern.toLowerCase(),
  );
}

/** The schema has made sure that it is an address. */
function hostOf(server: string): string {
  return new URL(server.replace(/^[a-z]+:/, 'http:')).hostname.toLowerCase();
}

const refused = (message: string): PenstockError => new PenstockError('ConnectionRefused', message);
