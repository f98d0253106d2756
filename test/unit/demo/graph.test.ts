import fc from 'fast-check';
import { expect, test } from 'vitest';
import { renderGraph } from '../../../demo/graph.ts';

test.each([
  { case: 'nothing', history: [], width: 5, expected: '' },
  { case: 'zero is the lowest block, the peak the highest', history: [0, 4, 8], width: 5, expected: '▁▅█' },
  { case: 'a little is seen beside a lot', history: [0, 1, 10_000], width: 5, expected: '▁▂█' },
  { case: 'only zeros stay low', history: [0, 0], width: 5, expected: '▁▁' },
  { case: 'the unknown leaves a gap', history: [1, null, 1], width: 5, expected: '█ █' },
  { case: 'a long history keeps its peaks', history: [0, 9, 0, 0, 0, 0], width: 3, expected: '█▁▁' },
])('$case', ({ history, width, expected }) => {
  expect(renderGraph(history, width)).toBe(expected);
});

test('a graph is never wider than asked for', () => {
  const history = fc.array(fc.option(fc.nat(), { nil: null }), { maxLength: 500 });
  fc.assert(
    fc.property(history, fc.integer({ min: 1, max: 120 }), (values, width) => {
      expect(renderGraph(values, width).length).toBeLessThanOrEqual(width);
    }),
  );
});
