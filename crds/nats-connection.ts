import { z } from 'zod';
import { apiVersion, metadataSchema } from './metadata.ts';

export const natsConnectionSchema = z.looseObject({
  apiVersion: z.literal(apiVersion),
  kind: z.literal('NatsConnection'),
  metadata: metadataSchema,
  spec: z.strictObject({
    servers: z
      .array(
        z
          .string()
          .max(512)
          .regex(
            /^(?:nats|tls|wss):\/\/[^\s,/@]+$/,
            'must look like nats://HOST:PORT, without user information',
          ),
      )
      .min(1)
      .max(64)
      .describe('Addresses of the servers of one NATS system.'),
  }),
});

export type NatsConnectionResource = z.output<typeof natsConnectionSchema>;
