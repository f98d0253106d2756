import { expect, test } from 'vitest';
import { Lifecycle } from '../../../../worker/lifecycle/state.ts';

test('a worker starts, runs, drains and stops, and says so each time', () => {
  const seen: string[] = [];
  const lifecycle = new Lifecycle((state) => seen.push(state));
  expect(lifecycle.state).toBe('starting');
  for (const state of ['running', 'draining', 'stopped'] as const) lifecycle.enter(state);
  expect(seen).toEqual(['running', 'draining', 'stopped']);
});

test('a worker that never ran can stop', () => {
  const lifecycle = new Lifecycle(() => undefined);
  lifecycle.enter('stopped');
  expect(lifecycle.state).toBe('stopped');
});

test('there is no way back', () => {
  const lifecycle = new Lifecycle(() => undefined);
  lifecycle.enter('running');
  lifecycle.enter('draining');
  expect(() => lifecycle.enter('running')).toThrow('a draining worker cannot become running');
});
