import { describe, expect, it } from 'vitest';
import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import { decide } from '../../../../operator/decide/decide.ts';
import type { Signals } from '../../../../operator/measure/signals.ts';
import { atOnce, decideFor, load, nowMs, pool, settled, summary } from '../../../builders/decisions.ts';
import { specAt80 } from '../../../builders/spec.ts';

describe('what somebody else writes', () => {
  const busy = load({ arrivals: 8, running: 5 });

  it('stays for a while, then the demand counts again', () => {
    const memory = settled(pool(10, busy));
    const first = decideFor(pool(4, busy), specAt80({ behavior: atOnce }), memory);
    expect(summary(first.decision)).toEqual({ kind: 'hold', from: 4, to: 4, reason: 'Contested' });
    expect(first.decision.nextCheckMs).toBeLessThanOrEqual(30_000);
    const later = decide({
      spec: specAt80(),
      signals: pool(4, busy),
      memory: first.memory,
      nowMs: nowMs + 30_000,
    });
    expect(later.decision.reason).not.toBe('Contested');
  });

  it('does not stand above the bounds', () => {
    const memory = settled(pool(10, busy));
    const { decision } = decideFor(pool(90, busy), specAt80(), memory);
    expect(summary(decision)).toEqual({ kind: 'scale', from: 90, to: 40, reason: 'AboveMaximum' });
  });

  it('as 0 means off, whatever waits, until somebody raises it', () => {
    const memory = settled(pool(10, busy));
    const off = decideFor(pool(0, load({ queued: 500 })), specAt80({ minReplicas: 2 }), memory);
    expect(summary(off.decision)).toEqual({ kind: 'hold', from: 0, to: 0, reason: 'TurnedOff' });
    const raised = decideFor(pool(2, load({ arrivals: 8 })), specAt80(), off.memory);
    expect(summary(raised.decision)).toEqual({ kind: 'scale', from: 2, to: 10, reason: 'ArrivalsGrew' });
  });
});

describe('modes', () => {
  it.each<{ mode: WorkerPoolSpec['mode']; given: Signals; then: object; recommended: number | undefined }>([
    {
      mode: 'Paused',
      given: pool(5, load({ arrivals: 8 })),
      then: { kind: 'hold', from: 5, to: 5, reason: 'Paused' },
      recommended: undefined,
    },
    {
      mode: 'DryRun',
      given: pool(5, load({ arrivals: 8 })),
      then: { kind: 'hold', from: 5, to: 5, reason: 'DryRun' },
      recommended: 10,
    },
    {
      mode: 'ScaleUpOnly',
      given: pool(5, load({ arrivals: 8 })),
      then: { kind: 'scale', from: 5, to: 10, reason: 'ArrivalsGrew' },
      recommended: 10,
    },
    {
      mode: 'ScaleUpOnly',
      given: pool(5, load({ arrivals: 0.5 })),
      then: { kind: 'hold', from: 5, to: 5, reason: 'ScaleUpOnly' },
      recommended: 1,
    },
  ])('$mode gives $then', ({ mode, given, then, recommended }) => {
    const { decision } = decideFor(given, specAt80({ behavior: atOnce, mode }));
    expect(summary(decision)).toEqual(then);
    expect(decision.recommended).toBe(recommended);
  });
});
