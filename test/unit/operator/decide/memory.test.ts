import { describe, expect, it } from 'vitest';
import { adopt, initialMemory, recordScale } from '../../../../operator/decide/memory.ts';
import type { Memory } from '../../../../operator/decide/memory.ts';
import { emptyRecommendations, remember } from '../../../../operator/decide/stabilization.ts';
import { workloadSignals } from '../../../builders/signals.ts';

/** A memory that has decided before, and has written 4 at 10 s. */
function wroteFour(): Memory {
  const windows = { upMs: 0, downMs: 5_000 };
  const recommendations = remember(emptyRecommendations, { replicas: 4, atMs: 10_000 }, windows);
  return recordScale({ ...initialMemory(0), recommendations }, { from: 2, to: 4, atMs: 10_000 });
}

const look = (memory: Memory, desired: number, atMs: number): ReturnType<typeof adopt> =>
  adopt(memory, workloadSignals({ desired }), atMs);

describe('adopt', () => {
  it.each([
    {
      title: 'what we wrote is no surprise',
      desired: 4,
      atMs: 11_000,
      current: 4,
      contested: false,
      off: false,
    },
    {
      title: 'what was there before our write is a late observation',
      desired: 2,
      atMs: 11_000,
      current: 4,
      contested: false,
      off: false,
    },
    {
      title: 'what was there before, seen long after our write, is a foreign write',
      desired: 2,
      atMs: 20_000,
      current: 2,
      contested: true,
      off: false,
    },
    {
      title: 'another number is a foreign write',
      desired: 7,
      atMs: 11_000,
      current: 7,
      contested: true,
      off: false,
    },
    { title: 'a foreign 0 turns off', desired: 0, atMs: 11_000, current: 0, contested: false, off: true },
  ])('$title', ({ desired, atMs, current, contested, off }) => {
    const adopted = look(wroteFour(), desired, atMs);
    expect({
      current: adopted.current,
      contested: adopted.memory.contestedUntilMs !== undefined,
      off: adopted.memory.isTurnedOff,
    }).toEqual({ current, contested, off });
  });

  it('late observations may show any size that our latest writes have replaced, and no other', () => {
    const growing = recordScale(recordScale(wroteFour(), { from: 4, to: 6, atMs: 11_000 }), {
      from: 6,
      to: 9,
      atMs: 12_000,
    });
    for (const desired of [2, 4, 6, 9]) {
      const { memory, current } = look(growing, desired, 15_000);
      expect({ desired, current, contests: memory.contests }).toEqual({ desired, current: 9, contests: 0 });
    }
    for (const { desired, atMs } of [
      { desired: 5, atMs: 12_500 },
      { desired: 2, atMs: 15_001 },
      { desired: 6, atMs: 17_001 },
    ]) {
      const { memory, current } = look(growing, desired, atMs);
      expect({ desired, current, contests: memory.contests }).toEqual({
        desired,
        current: desired,
        contests: 1,
      });
    }
  });

  it('our own 0 is not off', () => {
    const zero = recordScale(wroteFour(), { from: 4, to: 0, atMs: 20_000 });
    expect(look(zero, 0, 21_000).memory.isTurnedOff).toBe(false);
  });

  it('a raise from off switches on again, without a contest', () => {
    const off = look(wroteFour(), 0, 11_000).memory;
    const { memory, current } = look(off, 3, 60_000);
    expect({ current, off: memory.isTurnedOff, contested: memory.contestedUntilMs }).toEqual({
      current: 3,
      off: false,
      contested: undefined,
    });
  });

  it('stays away longer each time, up to eight minutes', () => {
    let memory = wroteFour();
    const backOffs = [5, 6, 7, 8, 9, 10].map((desired, index) => {
      const atMs = 100_000 * (index + 1);
      memory = look(memory, desired, atMs).memory;
      return ((memory.contestedUntilMs ?? 0) - atMs) / 1_000;
    });
    expect(backOffs).toEqual([30, 60, 120, 240, 480, 480]);
  });

  it('forgets contests after a long peace', () => {
    const contested = look(wroteFour(), 5, 20_000).memory;
    expect(look(contested, 5, 600_000).memory.contests).toBe(0);
  });

  it('after a restart takes what is there, whatever the status says was written', () => {
    const { memory, current } = look(initialMemory(0, { writtenReplicas: 4 }), 6, 1_000);
    expect({ current, contested: memory.contestedUntilMs }).toEqual({ current: 6, contested: undefined });
  });

  it('after a restart knows a foreign 0 by the status', () => {
    expect(look(initialMemory(0, { writtenReplicas: 4 }), 0, 1_000).memory.isTurnedOff).toBe(true);
    expect(look(initialMemory(0, { writtenReplicas: 0 }), 0, 1_000).memory.isTurnedOff).toBe(false);
  });
});

it('keeps only scale events that a policy can still count', () => {
  let memory = initialMemory(0);
  for (let second = 0; second < 5_000; second += 1) {
    memory = recordScale(memory, { from: second, to: second + 1, atMs: second * 1_000 });
  }
  expect(memory.scaleEvents.length).toBeLessThanOrEqual(1_800);
  expect(memory.scaleEvents.at(-1)).toEqual({ atMs: 4_999_000, change: 1 });
});
