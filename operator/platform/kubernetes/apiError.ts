import { PenstockError } from '#common/errors.ts';

/**
 * What the API server refused, or that it could not be reached. `reason` is the API's own word (`NotFound`,
 * `Conflict`, `Forbidden`, …), `Unreachable` without an answer, `Timeout` when it took too long.
 */
export class ApiError extends PenstockError {
  /** HTTP status; 0 without an answer. */
  readonly status: number;
  readonly reason: string;
  /** What the server asks us to wait before the next try, milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(
    what: string,
    answer: {
      status: number;
      reason: string;
      message: string;
      retryAfterMs?: number | undefined;
      cause?: unknown;
    },
  ) {
    const { status, reason, message, retryAfterMs, cause } = answer;
    super(`Api${reason}`, `${what}: ${message}`, {
      retryable: status === 0 || status === 429 || status >= 500,
      cause,
    });
    this.name = 'ApiError';
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

export const isNotFound = (error: unknown): boolean => error instanceof ApiError && error.status === 404;
export const isForbidden = (error: unknown): boolean => error instanceof ApiError && error.status === 403;
export const isConflict = (error: unknown): boolean => error instanceof ApiError && error.status === 409;
/** The resource version is older than what the server remembers: list again. */
export const isExpired = (error: unknown): boolean => error instanceof ApiError && error.status === 410;
