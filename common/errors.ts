/**
 * One error type for what a person must act on. `code` is stable and machine-readable; the message says what was
 * being done and what would help. Only loops look at `retryable`; everybody else lets the error pass.
 */
export class PenstockError extends Error {
  readonly code: string;
  readonly retryable: boolean;

  constructor(code: string, message: string, options: { retryable?: boolean; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'PenstockError';
    this.code = code;
    this.retryable = options.retryable ?? false;
  }
}

/** Whatever was thrown, as an Error: the one door through which `unknown` becomes typed. Never throws. */
export function toError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  let text: string;
  try {
    text = typeof thrown === 'string' ? thrown : `thrown: ${JSON.stringify(thrown)}`;
  } catch {
    text = Object.prototype.toString.call(thrown);
  }
  return new Error(text, { cause: thrown });
}

/** The message of an error with those of its causes, for one line of output. */
export function describeError(thrown: unknown): string {
  const parts: string[] = [];
  let current: unknown = thrown;
  for (let depth = 0; current !== undefined && depth < 5; depth += 1) {
    const error = toError(current);
    // Many messages quote their cause already.
    if (!parts.some((part) => part.includes(error.message))) parts.push(error.message);
    current = error.cause === current || !(current instanceof Error) ? undefined : error.cause;
  }
  return parts.join(': ');
}
