import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildHeaders, isPlainAck, readAck } from '../../../../worker/produce/wire.ts';

const reply = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('a reply of the server', () => {
  const cases: Record<string, { text: string; ack: unknown; plain: boolean }> = {
    'that confirms': {
      text: '{"stream":"S","seq":7}',
      ack: { stream: 'S', sequence: 7, duplicate: false },
      plain: true,
    },
    'that confirms a duplicate': {
      text: '{"stream":"S", "seq":7, "duplicate":true}',
      ack: { stream: 'S', sequence: 7, duplicate: true },
      plain: true,
    },
    'that refuses': {
      text: '{"error":{"code":400,"err_code":10077,"description":"maximum messages exceeded"},"stream":"S","seq":0}',
      ack: 'maximum messages exceeded',
      plain: false,
    },
    'that is empty': { text: '', ack: expect.stringContaining('no stream listens'), plain: false },
    'of a stranger': { text: '{"ok":true, "more":1}', ack: 'the reply names no stream', plain: false },
    'that is no JSON': { text: 'hello, world', ack: expect.stringContaining('cannot be read'), plain: false },
  };
  test.each(Object.entries(cases))('%s', (_, { text, ack, plain }) => {
    expect(readAck(reply(text))).toEqual(ack);
    expect(isPlainAck(reply(text))).toBe(plain);
  });

  test('never makes reading it throw', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(['string', 'object']).toContain(typeof readAck(reply(text)));
      }),
    );
  });
});

test('a message without id and headers has no header block', () => {
  expect(buildHeaders({ subject: 'a', data: '' })).toBeUndefined();
  const hdrs = buildHeaders({ subject: 'a', data: '', id: '7', headers: { Trace: 'x' } });
  expect([hdrs?.get('Nats-Msg-Id'), hdrs?.get('Trace')]).toEqual(['7', 'x']);
});
