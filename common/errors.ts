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

/**
 * Whatever was thrown, as an Error whose name, message and stack can be read: the one door through which `unknown`
 * becomes typed. Never throws.
 */
export function toError(thrown: unknown): Error {
  try {
    if (thrown instanceof Error) return isReadable(thrown) ? thrown : unreadable(thrown);
    const text = typeof thrown === 'string' ? thrown : `thrown: ${JSON.stringify(thrown)}`;
    return new Error(text, { cause: thrown });
  } catch {
    return unreadable(thrown);
  }
}

function isReadable({ name, message, stack = '', cause }: Error): boolean {
  const texts = [name, message, stack];
  return texts.every((text) => typeof text === 'string') && typeof cause !== 'symbol';
}

/** Getters that throw, a proxy that was revoked, a circle: said without a further look. */
function unreadable(thrown: unknown): Error {
  return new Error(`thrown: ${typeof thrown === 'object' ? 'an object that cannot be read' : typeof thrown}`);
}

/** The message of an error with those of its causes, for one line of output. */
export function describeError(thrown: unknown): string {
  const parts: string[] = [];
  let current: unknown = thrown;
  for (let depth = 0; current !== undefined && depth < 5; depth += 1) {
    const error = toError(current);
    // Many messages quote their cause already.
    if (!parts.some((part) => part.includes(error.message))) parts.push(error.message);
    // Anything else than the error itself is a text about it, which has no further cause.
    current = error === current && error.cause !== current ? error.cause : undefined;
  }
  return parts.join(': ');
}
