import { z } from 'zod';
import { apiVersion, metadataSchema } from './metadata.ts';

/** What a Deployment is on a cluster: the thing that `penstock local` runs replicas of. Never a CRD. */
export const localProcessSchema = z.looseObject({
  apiVersion: z.literal(apiVersion),
  kind: z.literal('LocalProcess'),
  metadata: metadataSchema,
  spec: z.strictObject({
    command: z
      .array(z.string().min(1).max(4_096))
      .min(1)
      .max(256)
      .describe('Program and its arguments, no shell.'),
    env: z.record(z.string(), z.string()).default({}).describe('Added to the environment of the operator.'),
    workingDirectory: z
      .string()
      .min(1)
      .optional()
      .describe('Relative to the policy file. Default: its folder.'),
    terminationGracePeriodSeconds: z
      .int32()
      .min(0)
      .max(3_600)
      .default(30)
      .describe('Time from SIGTERM to SIGKILL.'),
  }),
});

export type LocalProcess = z.output<typeof localProcessSchema>;
