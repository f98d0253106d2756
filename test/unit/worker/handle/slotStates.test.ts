import { expect, test } from 'vitest';
import { createLogger } from '#common/log.ts';
import { SlotStates } from '../../../../worker/handle/slotStates.ts';

const log = createLogger('test', 'silent');
const [first, second] = [{}, {}];

function states(idleMs = 1_000) {
  const released: unknown[] = [];
  let built = 0;
  const source = {
    build: () => Promise.resolve((built += 1)),
    release: (state: unknown) => void released.push(state),
    idleMs,
  };
  return { released, states: new SlotStates(source, log) };
}

test('each slot has its own state, built once when it is first asked for', async () => {
  const { states: all } = states();
  expect(all.size).toBe(0);
  expect([await all.of(first, 0), await all.of(second, 0), await all.of(first, 5)]).toEqual([1, 2, 1]);
});

test('a state is released after its slot was idle for long, and built anew afterwards', async () => {
  const { released, states: all } = states();
  await all.of(first, 0);
  await all.of(second, 0);
  all.seeBusy(first, 900);
  all.sweep(900);
  all.sweep(1_000);
  await Promise.resolve();
  await all.of(first, 1_000);
  expect(released).toEqual([2]);
  expect(await all.of(second, 1_100)).toBe(3);
  await all[Symbol.asyncDispose]();
  expect(released).toEqual([2, 1, 3]);
});

test('a state that cannot be built fails whoever asks, and is tried again', async () => {
  let attempts = 0;
  const all = new SlotStates(
    {
      build: () => {
        attempts += 1;
        if (attempts === 1) throw new Error('no connection');
        return 'connected';
      },
    },
    log,
  );
  await expect(all.of(first, 0)).rejects.toThrow('no connection');
  expect(await all.of(first, 0)).toBe('connected');
});

test('a state that cannot be released harms nobody', async () => {
  const all = new SlotStates({ build: () => 1, release: () => Promise.reject(new Error('gone')) }, log);
  await all.of(first, 0);
  await all[Symbol.asyncDispose]();
  expect(all.size).toBe(0);
});
