import { idempotencyKeyHeader, letterHeaders } from './headers.ts';

/** A job that was given up, as it lies in the stream of dead letters. */
export type DeadLetter = {
  /** Sequence number in the stream of dead letters. */
  readonly sequence: number;
  /** When that stream stored it, milliseconds since 1970. */
  readonly storedAtMs: number;
  /** Undefined in a message that no worker has written, as every field that follows. */
  readonly reason: string | undefined;
  readonly error: string | undefined;
  /** Where the handler threw it, frames separated by semicolons. */
  readonly stack: string | undefined;
  /** Deliveries until it was given up. */
  readonly attempts: number | undefined;
  readonly origin: Origin | undefined;
  readonly idempotencyKey: string | undefined;
  /** ISO 8601, UTC. */
  readonly publishedAt: string | undefined;
  readonly failedAt: string | undefined;
  /** The job's own headers. */
  readonly headers: readonly (readonly [name: string, values: readonly string[]])[];
  readonly data: Uint8Array;
};

/** Where the job came from, and goes to when it is sent back. */
export type Origin = {
  readonly stream: string;
  readonly consumer: string;
  readonly sequence: number;
  readonly subject: string;
};

/** A message of the stream of dead letters. */
export type StoredMessage = {
  readonly sequence: number;
  readonly storedAtMs: number;
  readonly headers: ReadonlyMap<string, readonly string[]>;
  readonly data: Uint8Array;
};

/** Anybody may have written the message: what is missing or no number is undefined. */
export function readLetter({ sequence, storedAtMs, headers, data }: StoredMessage): DeadLetter {
  const text = (name: string): string | undefined => headers.get(name)?.at(-1);
  return {
    sequence,
    storedAtMs,
    reason: text(letterHeaders.reason),
    error: text(letterHeaders.error),
    stack: text(letterHeaders.stack),
    attempts: parseCount(text(letterHeaders.attempts)),
    origin: readOrigin(text),
    idempotencyKey: text(idempotencyKeyHeader),
    publishedAt: text(letterHeaders.publishedAt),
    failedAt: text(letterHeaders.failedAt),
    headers: [...headers].filter(([name]) => !/^(?:nats|penstock)-/i.test(name)),
    data,
  };
}

function readOrigin(text: (name: string) => string | undefined): Origin | undefined {
  const stream = text(letterHeaders.originStream);
  const consumer = text(letterHeaders.originConsumer);
  const sequence = parseCount(text(letterHeaders.originSequence));
  const subject = text(letterHeaders.originSubject);
  const isWhole =
    stream !== undefined && consumer !== undefined && sequence !== undefined && subject !== undefined;
  return isWhole ? { stream, consumer, sequence, subject } : undefined;
}

function parseCount(text: string | undefined): number | undefined {
  const value = text !== undefined && /^\d+$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Undefined fields let every letter through. */
export type LetterFilter = {
  readonly stream?: string | undefined;
  readonly consumer?: string | undefined;
  readonly reason?: string | undefined;
  readonly sequence?: number | undefined;
  /** Lets through what was stored before this time, milliseconds since 1970. */
  readonly beforeMs?: number | undefined;
  /** Lets through what was stored at this time or later. */
  readonly sinceMs?: number | undefined;
};

export function matches(letter: DeadLetter, filter: LetterFilter): boolean {
  const { stream, consumer, reason, sequence, beforeMs, sinceMs } = filter;
  return (
    (stream === undefined || letter.origin?.stream === stream) &&
    (consumer === undefined || letter.origin?.consumer === consumer) &&
    (reason === undefined || letter.reason === reason) &&
    (sequence === undefined || letter.sequence === sequence) &&
    (beforeMs === undefined || letter.storedAtMs < beforeMs) &&
    (sinceMs === undefined || letter.storedAtMs >= sinceMs)
  );
}
