import { z } from 'zod';
import { apiVersion, metadataSchema, objectName } from './metadata.ts';

const secretKey = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[-._a-zA-Z0-9]+$/, 'must be letters, digits, "-", "_" or "."');
const secretName = objectName.describe('Name of a Secret in the same namespace.');

const logins = ['credentials', 'nkey', 'token', 'userPassword'] as const;

export const natsConnectionSpecSchema = z
  .strictObject({
    servers: z
      .array(
        z
          .string()
          .max(512)
          .regex(
            /^(?:nats|tls|wss):\/\/[^\p{Z}\p{Cc},/@]+$/u,
            'must look like nats://HOST:PORT, without user information',
          ),
      )
      .min(1)
      .max(64)
      .describe('Addresses of the servers of one NATS system.'),
    credentials: z
      .strictObject({
        secretName,
        key: secretKey.default('nats.creds').describe('Key of the .creds file.'),
      })
      .optional()
      .describe('Log in with a JWT and its key.'),
    nkey: z
      .strictObject({ secretName, key: secretKey.default('nkey').describe('Key of the seed.') })
      .optional()
      .describe('Log in with an nkey.'),
    token: z
      .strictObject({ secretName, key: secretKey.default('token').describe('Key of the token.') })
      .optional()
      .describe('Log in with a token.'),
    userPassword: z
      .strictObject({
        secretName,
        userKey: secretKey.default('username').describe('Key of the user name.'),
        passwordKey: secretKey.default('password').describe('Key of the password.'),
      })
      .optional()
      .describe('Log in with user name and password.'),
    tls: z
      .strictObject({
        secretName,
        caKey: secretKey
          .default('ca.crt')
          .describe('Key of the CA certificate; absent: the usual ones are trusted.'),
        certKey: secretKey.default('tls.crt').describe('Key of the client certificate; may be absent.'),
        keyKey: secretKey.default('tls.key').describe('Key of its private key; may be absent.'),
      })
      .optional()
      .describe('Certificates.'),
  })
  .refine((spec) => logins.filter((login) => spec[login] !== undefined).length <= 1, {
    error: `only one of ${logins.join(', ')} can be used to log in`,
  })
  .meta({
    'x-kubernetes-validations': [
      {
        rule: `[${logins.map((login) => `has(self.${login})`).join(', ')}].filter(x, x).size() <= 1`,
        message: `only one of ${logins.join(', ')} can be used to log in`,
      },
    ],
  });

export const natsConnectionSchema = z.looseObject({
  apiVersion: z.literal(apiVersion),
  kind: z.literal('NatsConnection'),
  metadata: metadataSchema,
  spec: natsConnectionSpecSchema,
});

export type NatsConnectionResource = z.output<typeof natsConnectionSchema>;
export type NatsConnectionSpec = NatsConnectionResource['spec'];
