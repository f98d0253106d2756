/** What an answer of an HTTP handler means for its job. */
export type Answer =
  | { readonly kind: 'ack' }
  | { readonly kind: 'discard' }
  /** Without a delay, the worker's backoff decides. */
  | { readonly kind: 'retry'; readonly delayMs: number | undefined };

/**
 * Client errors that say something about the address, the rights or the moment, not about the job: a wrong path or an
 * expired password must not turn a whole queue into dead letters.
 *
 * 401, 403, 407 rights · 404, 405, 421 address · 408, 425, 429 moment · 409, 423, 424 another run or resource
 */
const retriedClientErrors: ReadonlySet<number> = new Set([
  401, 403, 404, 405, 407, 408, 409, 421, 423, 424, 425, 429,
]);

/**
 * | status                         | the job                                                              |
 * | ------------------------------ | -------------------------------------------------------------------- |
 * | 2xx                            | acked                                                                |
 * | 4xx, but for those named above | dead letter: the same job will not be taken the next time either     |
 * | all others                     | again: after Retry-After if there is one, else after backoff         |
 *
 * @param retryAfter the header of that name: seconds, or a date.
 * @param nowMs milliseconds since 1970, for such a date.
 */
export function judgeStatus(status: number, retryAfter: string | undefined, nowMs: number): Answer {
  if (status >= 200 && status < 300) return { kind: 'ack' };
  const isRefusal = status >= 400 && status < 500 && !retriedClientErrors.has(status);
  return isRefusal ? { kind: 'discard' } : { kind: 'retry', delayMs: parseRetryAfter(retryAfter, nowMs) };
}

/** @returns milliseconds from now, at least 0; undefined when there is no such header or it cannot be read. */
function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1_000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
