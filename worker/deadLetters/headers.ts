/** What a worker writes on a dead letter, and what reads it back; docs/worker.md gives the meanings. */
export const letterHeaders = {
  reason: 'Penstock-Reason',
  error: 'Penstock-Error',
  stack: 'Penstock-Stack',
  attempts: 'Penstock-Attempts',
  originStream: 'Penstock-Origin-Stream',
  originConsumer: 'Penstock-Origin-Consumer',
  originSequence: 'Penstock-Origin-Sequence',
  originSubject: 'Penstock-Origin-Subject',
  publishedAt: 'Penstock-Published-At',
  failedAt: 'Penstock-Failed-At',
} as const;

/** Carries the idempotency key of a job over its death: a job that is sent back keeps the key of its first life. */
export const idempotencyKeyHeader = 'Penstock-Idempotency-Key';
