import type { Job } from '../../consume/job.ts';
import { Discard } from '../../outcome/verdict.ts';

/** The kernel takes 128 KiB for one variable, and refuses to start a command with a longer one. */
const maxVariableBytes = 100_000;

/** A job's metadata as environment variables, which no NUL may be part of. */
export function buildJobEnvironment(job: Job, deadline: Date): Record<string, string> {
  const variables = {
    PENSTOCK_JOB_SUBJECT: job.subject,
    PENSTOCK_JOB_STREAM: job.stream,
    PENSTOCK_JOB_SEQUENCE: `${job.sequence}`,
    PENSTOCK_JOB_ATTEMPT: `${job.attempt}`,
    PENSTOCK_JOB_DELIVERIES: `${job.deliveries}`,
    PENSTOCK_JOB_KEY: job.idempotencyKey,
    PENSTOCK_JOB_PUBLISHED_AT: job.publishedAt.toISOString(),
    PENSTOCK_JOB_DEADLINE: deadline.toISOString(),
    PENSTOCK_JOB_HEADERS: JSON.stringify(Object.fromEntries(job.headers)),
  };
  for (const [name, value] of Object.entries(variables)) {
    const bytes = Buffer.byteLength(value);
    if (bytes > maxVariableBytes)
      throw new Discard(`${name} would have ${bytes} bytes; ${maxVariableBytes} fit`);
  }
  return Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [name, value.replaceAll('\0', '\u{FFFD}')]),
  );
}
