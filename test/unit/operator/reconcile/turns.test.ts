import { expect, test } from 'vitest';
import { Turns } from '../../../../operator/reconcile/turns.ts';

const workers = 7;
const pieces = 40;
const perTurn = 5;

test('workers share each turn, and what else there is to do comes between two', async () => {
  const turns = new Turns(perTurn);
  const done: number[] = [];
  const perRound: number[] = [];
  let isOver = false;
  const others = (): void => {
    perRound.push(done.length);
    if (!isOver) setImmediate(others);
  };
  setImmediate(others);
  const work = async (worker: number): Promise<void> => {
    for (let piece = 0; piece < pieces; piece += 1) {
      while (!turns.take()) await turns.next();
      done.push(worker);
    }
  };
  await Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)));
  isOver = true;
  expect(done).toHaveLength(workers * pieces);
  const steps = perRound.map((count, index) => count - (perRound[index - 1] ?? 0));
  expect(Math.max(...steps)).toBeLessThanOrEqual(perTurn);
});

test('a new turn begins although nobody has waited for it', async () => {
  const turns = new Turns(1);
  expect([turns.take(), turns.take()]).toEqual([true, false]);
  await new Promise(setImmediate);
  expect(turns.take()).toBe(true);
});
