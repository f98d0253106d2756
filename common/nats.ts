import { readFileSync } from 'node:fs';
import {
  connect,
  credsAuthenticator,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from '@nats-io/transport-node';
import type { Authenticator, NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import { PenstockError, describeError } from './errors.ts';

export { TimeoutError } from '@nats-io/transport-node';
export type { NatsConnection, Subscription } from '@nats-io/transport-node';

const serverUrl = z
  .string()
  .regex(
    /^(?:(?:nats|tls|wss?):\/\/)?[^\s,/@]+$/,
    'must look like nats://HOST:PORT, without user information',
  );

/**
 * Connection settings by the names that NATS tools share. Secrets are files, read anew at every connect, so that
 * rotated ones are used without a restart.
 */
export const natsEnvironmentSchema = z.object({
  NATS_URL: z
    .string()
    .default('nats://127.0.0.1:4222')
    .transform((list) => list.split(',').map((url) => url.trim()))
    .pipe(z.array(serverUrl).min(1).max(64))
    .describe('Server addresses, separated by commas.'),
  NATS_CREDS: z.string().min(1).optional().describe('Path of a .creds file.'),
  NATS_NKEY: z.string().min(1).optional().describe('Path of a file with an nkey seed.'),
  NATS_TOKEN: z.string().min(1).optional().describe('Token.'),
  NATS_USER: z.string().min(1).optional().describe('User name; needs NATS_PASSWORD.'),
  NATS_PASSWORD: z.string().optional().describe('Password of NATS_USER.'),
  NATS_CA: z.string().min(1).optional().describe('Path of the CA certificate; turns TLS on.'),
  NATS_CERT: z.string().min(1).optional().describe('Path of the client certificate; needs NATS_KEY.'),
  NATS_KEY: z.string().min(1).optional().describe('Path of the key of NATS_CERT.'),
  NATS_INBOX_PREFIX: z.string().min(1).default('_INBOX').describe('Prefix of reply subjects.'),
});

export type NatsSettings = {
  readonly servers: readonly string[];
  readonly inboxPrefix: string;
  readonly credsFile?: string;
  readonly nkeyFile?: string;
  readonly token?: string;
  readonly user?: string;
  readonly password?: string;
  /** The texts of what the files hold, for hosts that keep them elsewhere. */
  readonly creds?: string;
  readonly nkeySeed?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Never connect to addresses that a server tells of, only to those that are named. Default false. */
  readonly ignoreGossip?: boolean;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
};

/** Settings that say nothing without their other half. */
const pairs = [
  ['NATS_USER', 'NATS_PASSWORD'],
  ['NATS_CERT', 'NATS_KEY'],
] as const;

/** @throws PenstockError `InvalidConfiguration`, when one half of a pair is missing. */
export function compileNatsSettings(parsed: z.infer<typeof natsEnvironmentSchema>): NatsSettings {
  for (const [one, other] of pairs) {
    if ((parsed[one] === undefined) === (parsed[other] === undefined)) continue;
    const [given, missing] = parsed[one] === undefined ? [other, one] : [one, other];
    throw new PenstockError('InvalidConfiguration', `${given} has no effect without ${missing}; set both`);
  }
  return {
    servers: parsed.NATS_URL,
    inboxPrefix: parsed.NATS_INBOX_PREFIX,
    ...(parsed.NATS_CREDS === undefined ? {} : { credsFile: parsed.NATS_CREDS }),
    ...(parsed.NATS_NKEY === undefined ? {} : { nkeyFile: parsed.NATS_NKEY }),
    ...(parsed.NATS_TOKEN === undefined ? {} : { token: parsed.NATS_TOKEN }),
    ...(parsed.NATS_USER === undefined ? {} : { user: parsed.NATS_USER }),
    ...(parsed.NATS_PASSWORD === undefined ? {} : { password: parsed.NATS_PASSWORD }),
    ...(parsed.NATS_CA === undefined ? {} : { caFile: parsed.NATS_CA }),
    ...(parsed.NATS_CERT === undefined ? {} : { certFile: parsed.NATS_CERT }),
    ...(parsed.NATS_KEY === undefined ? {} : { keyFile: parsed.NATS_KEY }),
  };
}

/**
 * One attempt to connect; the connection then reconnects for ever by itself (a fleet spread by jitter, and also after
 * repeated authentication errors, which end reconnecting by default). Retrying the first attempt is the caller's loop.
 *
 * @param name shown in the server's connection list.
 * @throws PenstockError `NatsUnreachable`, retryable, naming the servers.
 */
export async function connectNats(settings: NatsSettings, name: string): Promise<NatsConnection> {
  try {
    return await connect({
      servers: [...settings.servers],
      name,
      inboxPrefix: settings.inboxPrefix,
      maxReconnectAttempts: -1,
      ignoreAuthErrorAbort: true,
      reconnectTimeWait: 500,
      reconnectJitter: 1_000,
      reconnectJitterTLS: 1_000,
      pingInterval: 10_000,
      maxPingOut: 2,
      timeout: 5_000,
      authenticator: authenticators(settings),
      ignoreClusterUpdates: settings.ignoreGossip ?? false,
      ...tls(settings),
    });
  } catch (error) {
    throw new PenstockError(
      'NatsUnreachable',
      `connecting to NATS at ${settings.servers.join(', ')} failed: ${describeError(error)}`,
      { retryable: true, cause: error },
    );
  }
}

function authenticators(settings: NatsSettings): Authenticator[] {
  const { credsFile, nkeyFile, creds, nkeySeed, token, user, password } = settings;
  const list: Authenticator[] = [];
  if (creds !== undefined) list.push(credsAuthenticator(Buffer.from(creds)));
  if (nkeySeed !== undefined) list.push(nkeyAuthenticator(Buffer.from(nkeySeed.trim())));
  if (credsFile !== undefined) list.push((nonce) => credsAuthenticator(readFileSync(credsFile))(nonce));
  if (nkeyFile !== undefined) list.push((nonce) => nkeyAuthenticator(readFileSync(nkeyFile))(nonce));
  if (token !== undefined) list.push(tokenAuthenticator(token));
  if (user !== undefined) list.push(usernamePasswordAuthenticator(user, password));
  return list;
}

function tls(settings: NatsSettings): { tls?: Record<string, string> } {
  const names = ['caFile', 'certFile', 'keyFile', 'ca', 'cert', 'key'] as const;
  const given = names.flatMap((name) => {
    const value = settings[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return given.length === 0 ? {} : { tls: Object.fromEntries(given) };
}
