import type { Job } from '../../consume/job.ts';

/** Headers of a message that HTTP gives a meaning of its own, and that tracing expects under their own names. */
const passedOn: ReadonlySet<string> = new Set(['content-type', 'traceparent', 'tracestate', 'baggage']);
const headerName = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;

/**
 * A job's metadata as request headers. Message headers come as `penstock-header-NAME`, so that none can pose as one of
 * HTTP's or ours. Values are percent-encoded where HTTP would not carry them: they reach the handler whole, and cannot
 * end the header.
 */
export function buildRequestHeaders(job: Job, deadline: Date): Record<string, string> {
  const headers: Record<string, string> = {
    'content-type': 'application/octet-stream',
    'idempotency-key': encode(job.idempotencyKey),
    'penstock-subject': encode(job.subject),
    'penstock-stream': encode(job.stream),
    'penstock-sequence': `${job.sequence}`,
    'penstock-attempt': `${job.attempt}`,
    'penstock-deliveries': `${job.deliveries}`,
    'penstock-published-at': job.publishedAt.toISOString(),
    'penstock-deadline': deadline.toISOString(),
  };
  for (const [name, value] of job.headers) {
    if (headerName.test(name)) headers[passedOn.has(name) ? name : `penstock-header-${name}`] = encode(value);
  }
  return headers;
}

/** Everything but printable ASCII; `%` too, so that decoding gives back what was there. */
function encode(value: string): string {
  return value.toWellFormed().replaceAll(/[^\x20-\x24\x26-\x7e]+/gu, encodeURIComponent);
}
