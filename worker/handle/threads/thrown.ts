import { toError } from '#common/errors.ts';

/** An error on its way between threads, which would lose its name and fields. */
export type ThrownFacts = {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** Of a PenstockError, or one of Node's. */
  readonly code: string | undefined;
  /** Of a `RetryLater`. */
  readonly delayMs: number | undefined;
};

export function factsOf(thrown: unknown): ThrownFacts {
  const error = toError(thrown);
  const { name, message, stack } = error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const delayMs = 'delayMs' in error && typeof error.delayMs === 'number' ? error.delayMs : undefined;
  return { name, message, stack, code, delayMs };
}

/** The error of those facts: its class is lost, by which nobody here tells errors apart. */
export function rebuild({ name, message, stack, code, delayMs }: ThrownFacts): Error {
  const error = Object.assign(
    new Error(message),
    code !== undefined && { code },
    delayMs !== undefined && { delayMs },
  );
  error.name = name;
  if (stack !== undefined) error.stack = stack;
  return error;
}
