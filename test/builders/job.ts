import type { Job } from '../../worker/index.ts';

/** A job as a handler gets it. */
export function job(overrides: Partial<Job> = {}): Job {
  return {
    data: new Uint8Array(),
    json: () => ({}),
    headers: new Map(),
    subject: 'jobs.one',
    stream: 'JOBS',
    sequence: 7,
    attempt: 2,
    deliveries: 2,
    publishedAt: new Date('2026-01-01T00:00:00Z'),
    idempotencyKey: 'JOBS:7',
    ...overrides,
  };
}
