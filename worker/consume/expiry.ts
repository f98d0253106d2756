import { parseAckSubject } from './ackSubject.ts';
import { DeliveredJob } from './job.ts';
import type { Delivery } from './job.ts';

/** Header of a job that says until when it is of use: ISO 8601, or milliseconds since 1970. */
const deadlineHeader = 'Penstock-Deadline';
const deadlineKey = deadlineHeader.toLowerCase();

/**
 * Why a job is no longer worth running, or undefined. A deadline that cannot be read is none.
 *
 * @param maxAgeMs since the stream stored the job; infinite: only deadlines count.
 * @param wallMs milliseconds since 1970.
 */
export function expiryOf(delivery: Delivery, maxAgeMs: number, wallMs: number): string | undefined {
  const publishedAtMs = parseAckSubject(delivery.ackSubject)?.publishedAtMs ?? wallMs;
  if (wallMs - publishedAtMs > maxAgeMs) {
    return `the job is ${Math.round((wallMs - publishedAtMs) / 1_000)} s old; the limit is ${maxAgeMs / 1_000} s`;
  }
  const given = new DeliveredJob(delivery).headers.get(deadlineKey);
  if (given === undefined) return undefined;
  const deadlineMs = /^\d+$/.test(given) ? Number(given) : Date.parse(given);
  return deadlineMs < wallMs ? `its deadline was ${given.slice(0, 40)}` : undefined;
}
