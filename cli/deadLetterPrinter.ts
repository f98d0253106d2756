import type { DeadLetter } from '../worker/deadLetters/letter.ts';

const maxShownBytes = 4_096;

/** One line for a person. */
export function letterLine(letter: DeadLetter): string {
  const { sequence, storedAtMs, reason, attempts, origin, error } = letter;
  const from = origin === undefined ? '?' : `${origin.stream}/${origin.consumer}:${origin.sequence}`;
  const parts = [
    `${sequence}`,
    new Date(storedAtMs).toISOString(),
    reason ?? '?',
    `${attempts ?? '?'} attempts`,
    from,
    origin?.subject ?? '?',
    error ?? '',
  ];
  return parts
    .map((part) => printable(part))
    .join('  ')
    .trimEnd();
}

/** Everything for a person: facts, the job's own headers, and the payload as far as it is text. */
export function letterInFull(letter: DeadLetter): string {
  const { origin } = letter;
  const facts: readonly (readonly [string, string | number | undefined])[] = [
    ['sequence', letter.sequence],
    ['reason', letter.reason],
    ['error', letter.error],
    ...(letter.stack?.split('; ').map((frame) => ['', frame] as const) ?? []),
    ['attempts', letter.attempts],
    ['stream', origin?.stream],
    ['consumer', origin?.consumer],
    ['job sequence', origin?.sequence],
    ['subject', origin?.subject],
    ['idempotency key', letter.idempotencyKey],
    ['published', letter.publishedAt],
    ['failed', letter.failedAt],
    ...letter.headers.flatMap(([name, values]) => values.map((value) => [`header ${name}`, value] as const)),
    ['bytes', letter.data.length],
  ];
  const width = Math.max(...facts.map(([name]) => name.length));
  const lines = facts.map(([name, value]) => printable(`${name.padEnd(width)}  ${value ?? '?'}`));
  return [...lines, '', payloadText(letter.data)].join('\n');
}

/** For programs; without the payload. */
export function letterAsJson({ data, headers, storedAtMs, ...letter }: DeadLetter): Record<string, unknown> {
  return {
    ...letter,
    storedAt: new Date(storedAtMs).toISOString(),
    headers: Object.fromEntries(headers),
    bytes: data.length,
  };
}

function payloadText(data: Uint8Array): string {
  const shown = data.subarray(0, maxShownBytes);
  const rest =
    data.length > maxShownBytes ? `\n… ${data.length - maxShownBytes} more bytes; --json has all` : '';
  try {
    // A character cut in two at the end is no fault of the payload.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(shown, {
      stream: data.length > maxShownBytes,
    });
    return printable(text, true) + rest;
  } catch {
    return Buffer.from(shown).toString('hex') + rest;
  }
}

/** What strangers wrote must not steer the terminal. */
function printable(text: string, keepLines = false): string {
  return text.replace(keepLines ? /(?![\n\t])\p{Cc}/gu : /\p{Cc}/gu, '\u{fffd}');
}
