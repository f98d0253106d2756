import type { Msg } from '@nats-io/transport-node';
import { describe, expect, test } from 'vitest';
import { Delivery } from '../../../../worker/consume/job.ts';
import { Leases, sweepPeriodMs } from '../../../../worker/consume/lease.ts';

const ackWaitMs = 12_000;
const message: Msg = {
  subject: 'jobs.a',
  sid: 1,
  data: new Uint8Array(),
  respond: () => false,
  json: () => {
    throw new Error('no JSON');
  },
  string: () => '',
};
const arrive = (leases: Leases): Delivery => new Delivery(message, '$JS.ACK', 1, leases.leasedSinceMs);

/** Sweeps at their usual pace. */
function sweepUntil(leases: Leases, fromMs: number, toMs: number): void {
  for (let nowMs = fromMs; nowMs <= toMs; nowMs += 250) leases.swept(nowMs);
}

describe('a lease', () => {
  test('never lasts longer than ack_wait since the message was read', () => {
    const leases = new Leases(ackWaitMs, 0);
    sweepUntil(leases, 250, 5_000);
    const delivery = arrive(leases);
    expect(leases.isHeld(delivery, 4_000 + ackWaitMs)).toBe(true);
    expect(leases.isHeld(delivery, 5_000 + ackWaitMs)).toBe(false);
  });

  test('of a message read after the process was stopped counts from before the stop', () => {
    const leases = new Leases(ackWaitMs, 0);
    sweepUntil(leases, 250, 5_000);
    const nowMs = 5_000 + 2 * ackWaitMs;
    expect(leases.swept(nowMs)).toBe(true);
    expect(leases.isHeld(arrive(leases), nowMs)).toBe(false);
    // Two sweeps later, what is read was sent to a running process.
    expect(leases.swept(nowMs + 250)).toBe(false);
    leases.swept(nowMs + 500);
    expect(leases.isHeld(arrive(leases), nowMs + 500)).toBe(true);
  });

  test('is extended from the moment when the confirmed extension was sent', () => {
    const leases = new Leases(ackWaitMs, 0);
    const delivery = arrive(leases);
    leases.extended(delivery, 4_000);
    expect(leases.isHeld(delivery, 4_000 + ackWaitMs - 1)).toBe(true);
    expect(leases.isHeld(delivery, 4_000 + ackWaitMs)).toBe(false);
    leases.extended(delivery, 3_000);
    expect(leases.remainingMs(delivery, 4_000)).toBe(ackWaitMs);
  });

  test('is due for extension well within a third of ack_wait', () => {
    const leases = new Leases(ackWaitMs, 0);
    const delivery = arrive(leases);
    expect(leases.isExtensionDue(delivery, 1_000)).toBe(false);
    expect(leases.isExtensionDue(delivery, ackWaitMs / 3 - sweepPeriodMs(ackWaitMs))).toBe(true);
  });

  test('that was granted before follows an ack_wait that was changed since', () => {
    const leases = new Leases(ackWaitMs, 0);
    const delivery = arrive(leases);
    leases.ackWaitMs = 2_000;
    expect(leases.isExtensionDue(delivery, 500)).toBe(true);
    expect(leases.isHeld(delivery, 1_999)).toBe(true);
    expect(leases.isHeld(delivery, 2_000)).toBe(false);
  });
});
