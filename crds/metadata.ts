import { z } from 'zod';

export const apiVersion = 'penstock.dev/v1alpha1';

/** Names of Kubernetes objects: DNS subdomains. */
export const objectName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, 'must be lower-case letters, digits, "-" or "."');

/**
 * JetStream names are one token of a subject: a wildcard or dot in one would reach another subject. Blanks are named by
 * their category, as \s means more of them here than to an API server.
 */
export const jetStreamName = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[^\p{Z}\p{Cc}.*>/\\]+$/u, 'must not contain blanks, ".", "*", ">", "/" or a backslash');

export const metadataSchema = z.looseObject({
  name: objectName,
  namespace: objectName.default('default'),
});
