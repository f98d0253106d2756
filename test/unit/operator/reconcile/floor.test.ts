import { expect, test } from 'vitest';
import { Floor } from '../../../../operator/reconcile/floor.ts';

test('one at a time, in the order in which they came', async () => {
  const floor = new Floor();
  const said: string[] = [];
  const speak = async (name: string): Promise<void> => {
    await floor.take();
    said.push(`${name} begins`);
    await new Promise(setImmediate);
    said.push(`${name} ends`);
    floor.leave();
  };
  await Promise.all([speak('a'), speak('b'), speak('c')]);
  expect(said).toEqual(['a', 'b', 'c'].flatMap((name) => [`${name} begins`, `${name} ends`]));
  await speak('e');
  expect(said.at(-1)).toBe('e ends');
});
