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
/** Of nanoseconds since 1970, from 2001 to 2286, and of the milliseconds in it. */
const nanosDigits = 19;
const millisDigits = 13;

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
 * Reads what every message needs, without an allocation. The ack subjects of one consumer begin alike, and their
 * sequence numbers seldom grow by a digit, so the places are looked for once and then only checked.
 */
export class AckSubjectReader {
  #prefix: string | undefined;
  #timeStart = 0;

  /** @returns 0 when the subject is no ack subject. */
  deliveries(subject: string): number {
    if (this.#prefix === undefined || !subject.startsWith(this.#prefix)) {
      const start = findDeliveries(subject);
      if (start === 0) return 0;
      this.#prefix = subject.slice(0, start);
      this.#timeStart = 0;
    }
    return readDigits(subject, this.#prefix.length, subject.indexOf('.', this.#prefix.length));
  }

  /**
   * When the message was stored, whole milliseconds since 1970. Only for the subject that `deliveries` has read last.
   *
   * @returns undefined when that is not told.
   */
  publishedAtMs(subject: string): number | undefined {
    if (!isTimeAt(subject, this.#timeStart)) {
      this.#timeStart = this.#findTime(subject);
      if (!isTimeAt(subject, this.#timeStart)) return undefined;
    }
    return readDigits(subject, this.#timeStart, this.#timeStart + millisDigits) || undefined;
  }

  /** Messages that the consumer had left when it sent this one. Only after `publishedAtMs` of the same subject. */
  pending(subject: string): number {
    return readDigits(subject, this.#timeStart + nanosDigits + 1, subject.length);
  }

  /** Deliveries, stream sequence and consumer sequence stand before it. */
  #findTime(subject: string): number {
    let start = this.#prefix?.length ?? 0;
    for (let token = 0; token < 3; token += 1) start = subject.indexOf('.', start) + 1;
    return start;
  }
}

/** Whether a token that is as long as a time stands there; sequence numbers are never that long. */
function isTimeAt(subject: string, start: number): boolean {
  return subject.charCodeAt(start - 1) === dot && subject.charCodeAt(start + nanosDigits) === dot;
}

/** Where the number of deliveries starts; 0 when the subject is no ack subject. */
function findDeliveries(subject: string): number {
  if (!subject.startsWith('$JS.ACK.')) return 0;
  const tokens = subject.split('.');
  if (tokens.length !== v1Tokens && tokens.length < v2MinTokens) return 0;
  const before = tokens.slice(0, tokens.length === v1Tokens ? 4 : 6);
  return before.join('.').length + 1;
}

/** Reads up to a dot or the end; 0 when there is anything else. */
function readDigits(text: string, start: number, end: number): number {
  let value = 0;
  for (let index = start; index < end; index += 1) {
    const code = text.charCodeAt(index);
    if (code === dot) return value;
    if (code < zero || code > zero + 9) return 0;
    value = value * 10 + (code - zero);
  }
  return value;
}
