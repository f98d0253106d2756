import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Window, prefetchFor } from '../../../../worker/consume/window.ts';

function windowWith(
  counts: Partial<Record<'running' | 'buffered' | 'settling' | 'outstanding' | 'stuck' | 'backlog', number>>,
) {
  return Object.assign(new Window(10, 6), counts);
}

describe('credits', () => {
  const cases: Record<string, { counts: Parameters<typeof windowWith>[0]; credits: number }> = {
    'an empty window asks for slots and prefetch': { counts: {}, credits: 16 },
    'more than half on its way: wait': { counts: { outstanding: 9 }, credits: 0 },
    'half on its way: fill up': { counts: { outstanding: 8 }, credits: 8 },
    'all slots taken: only the prefetch counts': { counts: { running: 10, buffered: 3 }, credits: 3 },
    'all slots taken and the buffer more than half full: wait': {
      counts: { running: 10, buffered: 4 },
      credits: 0,
    },
    'one slot free and nothing on its way: ask': { counts: { running: 9 }, credits: 7 },
    'results on their way count as held': { counts: { running: 10, settling: 6 }, credits: 0 },
    'stuck jobs take their slots away': { counts: { stuck: 10 }, credits: 6 },
    'more buffered than wanted: wait': { counts: { buffered: 40 }, credits: 0 },
    'an empty queue: only free slots count': { counts: { running: 7, backlog: 0 }, credits: 3 },
    'an empty queue and all slots taken: wait': { counts: { running: 10, backlog: 0 }, credits: 0 },
    'a short queue: others get the rest of it': { counts: { running: 10, backlog: 9 }, credits: 2 },
    'a shorter one: nothing ahead': { counts: { running: 10, backlog: 3 }, credits: 0 },
    'a long queue: the whole prefetch': { counts: { running: 10, backlog: 500 }, credits: 6 },
    'late messages on top: wait': { counts: { running: 10, buffered: 30, settling: 5 }, credits: 0 },
  };
  for (const [name, { counts, credits }] of Object.entries(cases)) {
    test(name, () => expect(windowWith(counts).credits).toBe(credits));
  }

  test('no pull ever exceeds the window, whatever happens in whatever order', () => {
    const step = fc.constantFrom(
      'ask',
      'arrive',
      'start',
      'end',
      'settled',
      'return',
      'void',
      'stick',
      'recover',
    );
    fc.assert(
      fc.property(
        fc.nat(20),
        fc.nat(30),
        fc.array(step, { maxLength: 200 }),
        (moreSlots, prefetch, steps) => {
          const window = new Window(1 + moreSlots, prefetch);
          for (const action of steps) {
            takeStep(window, action);
            expect(window.credits).toBeGreaterThanOrEqual(0);
            expect(window.outstanding).toBeGreaterThanOrEqual(0);
            const room = window.slots - window.stuck + window.prefetch;
            if (action === 'ask')
              expect(window.outstanding + window.held).toBeLessThanOrEqual(Math.max(room, window.held));
          }
        },
      ),
    );
  });
});

/** The worker's moves, as far as they are possible. */
function takeStep(window: Window, action: string): void {
  const openSlots = window.slots - window.stuck - window.running;
  if (action === 'ask' && window.credits > 0) window.asked(window.credits);
  else if (action === 'arrive') {
    window.arrived();
    window.buffered += 1;
  } else if (action === 'start' && window.buffered > 0 && openSlots > 0) {
    window.buffered -= 1;
    window.running += 1;
  } else if (action === 'end' && window.running > 0) {
    window.running -= 1;
    window.settling += 1;
  } else if (action === 'settled' && window.settling > 0) window.settling -= 1;
  else if (action === 'return') window.returned(3);
  else if (action === 'void') window.voided();
  else if (action === 'stick' && window.running > 0) {
    window.running -= 1;
    window.stuck += 1;
  } else if (action === 'recover' && window.stuck > 0) window.stuck -= 1;
}

describe('the prefetch', () => {
  const cases: Record<string, { slots: number; meanServiceMs: number | undefined; prefetch: number }> = {
    'nothing before the first measurement': { slots: 8, meanServiceMs: undefined, prefetch: 0 },
    'instant jobs: two per slot': { slots: 256, meanServiceMs: 0, prefetch: 512 },
    'short jobs: two per slot': { slots: 64, meanServiceMs: 5, prefetch: 128 },
    'one slot and instant jobs: 16': { slots: 1, meanServiceMs: 0, prefetch: 16 },
    'one slot and jobs of 10 ms: 50 ms of work': { slots: 1, meanServiceMs: 10, prefetch: 5 },
    'jobs of 200 ms: a quarter per slot': { slots: 16, meanServiceMs: 200, prefetch: 4 },
    'long jobs: none': { slots: 1, meanServiceMs: 1_000, prefetch: 0 },
  };
  for (const [name, { slots, meanServiceMs, prefetch }] of Object.entries(cases)) {
    test(name, () => expect(prefetchFor(slots, meanServiceMs)).toBe(prefetch));
  }
});
