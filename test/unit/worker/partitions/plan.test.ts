import { describe, expect, test } from 'vitest';
import { planPartitions } from '../../../../worker/partitions/plan.ts';
import type { Layout, Plan, Seen } from '../../../../worker/partitions/plan.ts';

type Hash = Extract<Layout['split'], { kind: 'hash' }>;

function layout(count: number, more: Partial<Layout> = {}, hash: Partial<Hash> = {}): Layout {
  const split: Hash = { kind: 'hash', subjects: 'orders.*.>', key: [1], count, ...hash };
  return { group: 'orders', split, ackWaitMs: 30_000, maxAckPending: 1, after: undefined, ...more };
}

const dest = (generation: number, count: number): string =>
  `orders.${generation}.{{partition(${count},1)}}.orders.{{wildcard(1)}}.>`;

/** A stream that was cut into `count` partitions. */
function cut(generation: number, count: number, maxAckPending = 1): Seen {
  return {
    retention: 'workqueue',
    transform: { src: 'orders.*.>', dest: dest(generation, count) },
    consumers: new Map(
      Array.from({ length: count }, (_, p) => [
        `orders-${p}`,
        { filters: [`orders.${generation}.${p}.>`], maxAckPending },
      ]),
    ),
  };
}

const uncut: Seen = { retention: 'workqueue', transform: undefined, consumers: new Map() };

const words = ({ steps }: Plan): string[] =>
  steps.map((step) => `${step.kind} ${step.kind === 'transform' ? step.dest : step.consumer}`);

describe('the plan', () => {
  const cases: Record<string, { layout: Layout; seen: Seen; steps: string[] }> = {
    'a stream that was never cut': {
      layout: layout(2),
      seen: uncut,
      steps: [`transform ${dest(1, 2)}`, 'create orders-0', 'create orders-1'],
    },
    'nothing to do': { layout: layout(3), seen: cut(1, 3), steps: [] },
    'a partition is missing': {
      layout: layout(3),
      seen: { ...cut(1, 3), consumers: cut(1, 2).consumers },
      steps: ['create orders-2'],
    },
    'more at once': {
      layout: layout(2, { maxAckPending: 5 }),
      seen: cut(1, 2),
      steps: ['update orders-0', 'update orders-1'],
    },
    'more partitions: new subjects first, then the old ones run empty, then new consumers': {
      layout: layout(3),
      seen: cut(4, 2),
      steps: [
        `transform ${dest(5, 3)}`,
        'drained orders-0',
        'drained orders-1',
        'delete orders-0',
        'delete orders-1',
        'create orders-0',
        'create orders-1',
        'create orders-2',
      ],
    },
    'fewer partitions leave none behind': {
      layout: layout(1),
      seen: cut(1, 2),
      steps: [
        `transform ${dest(2, 1)}`,
        'drained orders-0',
        'drained orders-1',
        'delete orders-0',
        'delete orders-1',
        'create orders-0',
      ],
    },
    'a change that was cut off after the subjects were changed': {
      layout: layout(1),
      seen: { ...cut(1, 2), transform: { src: 'orders.*.>', dest: dest(2, 1) } },
      steps: [
        'drained orders-0',
        'drained orders-1',
        'delete orders-0',
        'delete orders-1',
        'create orders-0',
      ],
    },
    'a change that was cut off between deleting and creating': {
      layout: layout(2),
      seen: { ...uncut, transform: { src: 'orders.*.>', dest: dest(2, 2) } },
      steps: ['create orders-0', 'create orders-1'],
    },
    'a transform that somebody removed: no generation comes again': {
      layout: layout(1),
      seen: { ...cut(7, 1), transform: undefined },
      steps: [`transform ${dest(8, 1)}`, 'drained orders-0', 'delete orders-0', 'create orders-0'],
    },
    'a consumer of the time before runs empty first': {
      layout: layout(1, { after: 'old' }),
      seen: { ...uncut, consumers: new Map([['old', { filters: ['orders.>'], maxAckPending: 9 }]]) },
      steps: [`transform ${dest(1, 1)}`, 'drained old', 'create orders-0'],
    },
    'filters that publishers choose': {
      layout: layout(1, { split: { kind: 'filters', filters: ['a.>', 'b.>'] } }),
      seen: uncut,
      steps: ['create orders-0', 'create orders-1'],
    },
  };
  test.each(Object.entries(cases))('%s', (_, { layout: wanted, seen, steps }) => {
    expect(words(planPartitions(wanted, seen))).toEqual(steps);
  });

  test('names all wildcards of the subject, and the key among them', () => {
    const { steps } = planPartitions(layout(4, {}, { subjects: 'a.*.b.*.c', key: [2, 1] }), uncut);
    expect(steps[0]).toMatchObject({
      src: 'a.*.b.*.c',
      dest: 'orders.1.{{partition(4,2,1)}}.a.{{wildcard(1)}}.b.{{wildcard(2)}}.c',
    });
  });
});

describe('refused', () => {
  const cases: Record<string, { layout: Layout; seen: Seen; message: RegExp }> = {
    'interest retention': {
      layout: layout(1),
      seen: { ...uncut, retention: 'interest' },
      message: /use workqueue or limits/,
    },
    'a transform of somebody else': {
      layout: layout(1),
      seen: { ...uncut, transform: { src: 'a', dest: 'b' } },
      message: /subject transform already, from a to b/,
    },
    'a second change before the first one is finished': {
      layout: layout(3),
      seen: { ...cut(1, 2), transform: { src: 'orders.*.>', dest: dest(2, 4) } },
      message: /run it to its end first, with --count 4/,
    },
    'a third generation while the second has no consumers': {
      layout: layout(3),
      seen: { ...uncut, transform: { src: 'orders.*.>', dest: dest(2, 4) } },
      message: /with --count 4/,
    },
    'an earlier consumer that is not there': {
      layout: layout(1, { after: 'old' }),
      seen: uncut,
      message: /no consumer old; leave out --after/,
    },
    'an earlier consumer that takes everything': {
      layout: layout(1, { after: 'old' }),
      seen: { ...uncut, consumers: new Map([['old', { filters: [], maxAckPending: 9 }]]) },
      message: /set its filter_subject to orders\.\*\.>/,
    },
  };
  test.each(Object.entries(cases))('%s', (_, { layout: wanted, seen, message }) => {
    expect(() => planPartitions(wanted, seen)).toThrow(message);
  });
});
