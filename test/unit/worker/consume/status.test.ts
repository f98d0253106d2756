import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { reactTo } from '../../../../worker/consume/status.ts';
import type { Reaction } from '../../../../worker/consume/status.ts';

const recheck = (reason: 'ConsumerDeleted' | 'RequestRefused' | 'UnknownStatus'): Reaction => ({
  kind: 'recheck',
  reason,
});
const repull = (
  reason: 'LeadershipChanged' | 'ServerShutdown' | 'NoResponders' | 'TooManyPulls',
): Reaction => ({
  kind: 'repull',
  reason,
});
const returned = (messages: number | undefined): Reaction => ({ kind: 'returned', messages });

const cases: readonly [code: number, description: string, pending: string, expected: Reaction][] = [
  [100, 'Idle Heartbeat', '', { kind: 'alive' }],
  [404, 'No Messages', '', returned(undefined)],
  [408, 'Requests Pending', '', returned(undefined)],
  [408, 'Request Timeout', '12', returned(12)],
  [408, 'Interest Expired', '0', returned(0)],
  [409, 'Message Size Exceeds MaxBytes', '5', returned(5)],
  [409, 'Batch Completed', '2', returned(2)],
  [423, 'Nats-Wrong-Pin-Id', '7', returned(7)],
  [409, 'Leadership Change', '', repull('LeadershipChanged')],
  [409, 'Server Shutdown', '', repull('ServerShutdown')],
  [409, 'Exceeded MaxWaiting', '', repull('TooManyPulls')],
  [503, '', '', repull('NoResponders')],
  [409, 'Consumer Deleted', '', recheck('ConsumerDeleted')],
  [409, 'Consumer is push based', '', recheck('RequestRefused')],
  [409, 'Exceeded MaxRequestBatch of 10', '', recheck('RequestRefused')],
  [400, 'Bad Request - heartbeat value too large', '', recheck('RequestRefused')],
  [412, 'Precondition Failed', '', recheck('RequestRefused')],
  [599, 'Something New', '', recheck('UnknownStatus')],
  [408, 'Request Timeout', 'lots', returned(undefined)],
  [408, 'Request Timeout', '-3', returned(undefined)],
];

describe('a status of the server', () => {
  for (const [code, description, pending, expected] of cases) {
    test(`${code} ${description} (${pending})`, () =>
      expect(reactTo(code, description, pending)).toEqual(expected));
  }

  test('never returns a negative or fractional number of messages', () => {
    fc.assert(
      fc.property(fc.integer(), fc.string(), fc.string(), (code, description, pending) => {
        const reaction = reactTo(code, description, pending);
        if (reaction.kind !== 'returned' || reaction.messages === undefined) return;
        expect(Number.isSafeInteger(reaction.messages) && reaction.messages >= 0).toBe(true);
      }),
    );
  });
});
