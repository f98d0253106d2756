import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AckSubjectReader, parseAckSubject } from '../../../../worker/consume/ackSubject.ts';

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
      expect(new AckSubjectReader().deliveries(subject)).toBe(deliveries);
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
        const reader = new AckSubjectReader();
        expect(reader.deliveries(text)).toBe(parsed.deliveries);
      }),
    );
  });

  test('of the same consumer is read alike the second time, and another one is not mistaken for it', () => {
    const reader = new AckSubjectReader();
    const subject = (consumer: string, deliveries: number): string =>
      `$JS.ACK.IMAGES.${consumer}.${deliveries}.1234.99.1700000000123456789.7`;
    expect(reader.deliveries(subject('a', 1))).toBe(1);
    expect(reader.deliveries(subject('a', 27))).toBe(27);
    expect(reader.deliveries(subject('ab', 3))).toBe(3);
    expect(reader.deliveries(subject('a', 2))).toBe(2);
    expect(reader.deliveries('_INBOX.a.b')).toBe(0);
  });

  test('tells when the message was stored, as its numbers grow by digits and consumers take turns', () => {
    const sequence = fc.oneof(fc.integer({ min: 1, max: 1_100 }), fc.integer({ min: 1, max: 1e15 }));
    const subject = fc
      .tuple(
        fc.constantFrom('$JS.ACK.IMAGES.a', '$JS.ACK.IMAGES.longer', '$JS.ACK._.ACCHASH.IMAGES.a'),
        fc.tuple(fc.integer({ min: 1, max: 1_000 }), sequence, sequence),
        fc.integer({ min: 1e12, max: 9e12 }),
        fc.integer({ min: 0, max: 999_999 }),
      )
      .map(([prefix, numbers, ms, nanos]) => ({
        text: [prefix, ...numbers, `${ms}${String(nanos).padStart(6, '0')}`, 7].join('.'),
        ms,
      }));
    fc.assert(
      fc.property(fc.array(subject, { minLength: 1, maxLength: 20 }), (subjects) => {
        const reader = new AckSubjectReader();
        for (const { text, ms } of subjects) {
          expect(reader.deliveries(text)).toBe(parseAckSubject(text)?.deliveries);
          expect(reader.publishedAtMs(text)).toBe(ms);
          expect(reader.pending(text)).toBe(7);
        }
      }),
    );
  });

  test('without a time of this age of the world leaves it untold', () => {
    const reader = new AckSubjectReader();
    for (const time of ['0', '123', '1700000000123456789123', 'x700000000123456789']) {
      const subject = `$JS.ACK.IMAGES.a.1.2.3.${time}.7`;
      expect(reader.deliveries(subject)).toBe(1);
      expect(reader.publishedAtMs(subject)).toBeUndefined();
    }
  });
});
