/** What the server says about a delivery in the subject where its ack goes. */
export type AckFacts = {
  readonly stream: string;
  readonly consumer: string;
  /** 1 for the first delivery. */
  readonly deliveries: number;
  readonly streamSequence: number;
  /** When the message was stored, milliseconds since 1970. */
  readonly publishedAtMs: number;
};

const v1Tokens = 9;
const v2MinTokens = 11;
const dot = 46;
const zero = 48;

/**
 * Reads an ack subject. Two forms exist:
 *
 * - v1: `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<nanoseconds>.<pending>`
 * - v2: `$JS.ACK.<domain>.<account hash>.<stream>.<consumer>.<…as v1>`, then tokens that may be added later
 *
 * @returns undefined for anything else.
 */
export function parseAckSubject(subject: string): AckFacts | undefined {
  const tokens = subject.split('.');
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK') return undefined;
  if (tokens.length !== v1Tokens && tokens.length < v2MinTokens) return undefined;
  const [stream, consumer, deliveries, streamSequence, , nanoseconds] = tokens.slice(
    tokens.length === v1Tokens ? 2 : 4,
  );
  const facts = {
    stream: stream ?? '',
    consumer: consumer ?? '',
    deliveries: Number(deliveries),
    streamSequence: Number(streamSequence),
    publishedAtMs: Math.floor(Number(nanoseconds) / 1_000_000),
  };
  const numbers = [facts.deliveries, facts.streamSequence, facts.publishedAtMs];
  return numbers.every((value) => Number.isSafeInteger(value) && value >= 0) ? facts : undefined;
}

/**
 * Only the number of deliveries, without an allocation: the one figure that every message needs.
 *
 * @returns 0 when the subject is no ack subject.
 */
export function readDeliveries(subject: string): number {
  if (!subject.startsWith('$JS.ACK.')) return 0;
  let dots = 0;
  let v1Start = 0;
  let v2Start = 0;
  for (let index = 0; index < subject.length; index += 1) {
    if (subject.charCodeAt(index) !== dot) continue;
    dots += 1;
    if (dots === 4) v1Start = index + 1;
    else if (dots === 6) v2Start = index + 1;
  }
  if (dots === v1Tokens - 1) return readDigits(subject, v1Start);
  return dots >= v2MinTokens - 1 ? readDigits(subject, v2Start) : 0;
}

function readDigits(text: string, start: number): number {
  let value = 0;
  for (let index = start; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === dot) return value;
    if (code < zero || code > zero + 9) return 0;
    value = value * 10 + (code - zero);
  }
  return 0;
}
