import type { NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import { describeError } from '#common/errors.ts';
import type { Logger } from '#common/log.ts';
import { JetStreamError, apiErrors, requestApi } from './api.ts';

export type WantedStream = {
  readonly name: string;
  /** For the log, e.g. "dead letters". */
  readonly holds: string;
  /** Whether to create it when it is missing. */
  readonly create: boolean;
  /** Its configuration, but for name and replicas. */
  readonly config: object;
};

const replicasSchema = z.object({ config: z.object({ num_replicas: z.number() }) });

/**
 * Creates a stream beside that of the jobs unless it exists, with as many replicas: it must not be less safe. Failing
 * is only logged, as the worker can work without.
 */
export async function ensureStream(
  connection: NatsConnection,
  { name, holds, create, config }: WantedStream,
  jobStream: string,
  log: Logger,
): Promise<void> {
  try {
    await requestApi(connection, `STREAM.INFO.${name}`);
    return;
  } catch (error) {
    const missing = error instanceof JetStreamError && error.errorCode === apiErrors.streamNotFound;
    if (!missing) log.warn({ stream: name, holds, error: describeError(error) }, 'cannot see a stream');
    if (!missing || !create) return;
  }
  try {
    const jobs = replicasSchema.parse(await requestApi(connection, `STREAM.INFO.${jobStream}`));
    const { num_replicas } = jobs.config;
    await requestApi(connection, `STREAM.CREATE.${name}`, { name, num_replicas, ...config });
    log.info({ stream: name, holds }, 'created a stream');
  } catch (error) {
    const code = error instanceof JetStreamError ? error.errorCode : undefined;
    if (code === apiErrors.streamNameInUse) return; // Somebody was faster.
    const remedy =
      code === apiErrors.streamSubjectsOverlap
        ? '; name the stream that has these subjects already, or set a subject outside them'
        : '';
    log.warn({ stream: name, holds, error: describeError(error) }, `cannot create a stream${remedy}`);
  }
}
