import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DeliveriesReader, parseAckSubject } from '../../../../worker/consume/ackSubject.ts';

const facts = {
  stream: 'IMAGES',
  consumer: 'thumbnails',
  deliveries: 3,
  streamSequence: 1_234,
  publishedAtMs: 1_700_000_000_123,
};

const cases: Record<string, { subject: string; facts: typeof facts | undefined; deliveries: number }> = {
  'the first form': {
    subject: '$JS.ACK.IMAGES.thumbnails.3.1234.99.1700000000123456789.7',
    facts,
    deliveries: 3,
  },
  'the second form, with domain and account': {
    subject: '$JS.ACK.hub.ACCHASH.IMAGES.thumbnails.3.1234.99.1700000000123456789.7',
    facts,
    deliveries: 3,
  },
  'the second form with a token added': {
    subject: '$JS.ACK._.ACCHASH.IMAGES.thumbnails.3.1234.99.1700000000123456789.7.rnd',
    facts,
    deliveries: 3,
  },
  'a reply inbox': { subject: '_INBOX.abc.def', facts: undefined, deliveries: 0 },
  nothing: { subject: '', facts: undefined, deliveries: 0 },
  'too few tokens': { subject: '$JS.ACK.IMAGES.thumbnails.3.1234.99', facts: undefined, deliveries: 0 },
  'ten tokens, which neither form has': {
    subject: '$JS.ACK.x.IMAGES.thumbnails.3.1234.99.1700000000123456789.7',
    facts: undefined,
    deliveries: 0,
  },
  'a delivery count that is no number': {
    subject: '$JS.ACK.IMAGES.thumbnails.x.1234.99.1700000000123456789.7',
    facts: undefined,
    deliveries: 0,
  },
};

describe('an ack subject', () => {
  for (const [name, { subject, facts: expected, deliveries }] of Object.entries(cases)) {
    test(name, () => {
      expect(parseAckSubject(subject)).toEqual(expected);
      expect(new DeliveriesReader().read(subject)).toBe(deliveries);
    });
  }

  test('is read alike by both readers, whatever it is', () => {
    const token = fc.stringMatching(/^[A-Za-z0-9_$-]{1,6}$/);
    const number = fc.nat(1_000_000).map(String);
    const subject = fc.oneof(
      fc.string(),
      fc.array(token, { maxLength: 14 }).map((tokens) => tokens.join('.')),
      fc
        .tuple(
          fc.constantFrom(2, 4),
          token,
          token,
          token,
          token,
          fc.array(number, { minLength: 5, maxLength: 5 }),
        )
        .map(([names, a, b, c, d, numbers]) =>
          ['$JS.ACK', ...[a, b, c, d].slice(0, names), ...numbers].join('.'),
        ),
    );
    fc.assert(
      fc.property(subject, (text) => {
        const parsed = parseAckSubject(text);
        if (parsed === undefined) return;
        const reader = new DeliveriesReader();
        expect(reader.read(text)).toBe(parsed.deliveries);
        const publishedAtMs = reader.publishedAtMs(text);
        // Neither exists at deliveries or a time of 0.
        if (publishedAtMs !== undefined) expect(Math.floor(publishedAtMs)).toBe(parsed.publishedAtMs);
        else expect(Math.min(parsed.deliveries, parsed.publishedAtMs)).toBe(0);
      }),
    );
  });

  test('of the same consumer is read alike the second time, and another one is not mistaken for it', () => {
    const reader = new DeliveriesReader();
    const subject = (consumer: string, deliveries: number): string =>
      `$JS.ACK.IMAGES.${consumer}.${deliveries}.1234.99.1700000000123456789.7`;
    expect(reader.read(subject('a', 1))).toBe(1);
    expect(reader.read(subject('a', 27))).toBe(27);
    expect(reader.read(subject('ab', 3))).toBe(3);
    expect(reader.read(subject('a', 2))).toBe(2);
    expect(reader.read('_INBOX.a.b')).toBe(0);
  });
});
