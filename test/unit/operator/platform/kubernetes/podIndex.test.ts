import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PodIndex } from '../../../../../operator/platform/kubernetes/podIndex.ts';
import type { Pod } from '../../../../../operator/platform/kubernetes/pods.ts';
import { matches, parseSelector } from '../../../../../operator/platform/kubernetes/selector.ts';

const pod = (namespace: string, name: string, labels: Pod['labels']): Pod => ({
  namespace,
  name,
  labels,
  createdMs: 0,
  readyMs: undefined,
  state: 'ready',
  message: undefined,
  isVictim: false,
  hasForeignCost: false,
});

const namespaces = fc.constantFrom('media', 'shop');
const labels = fc.dictionary(fc.constantFrom('app', 'tier', '__proto__'), fc.constantFrom('a', 'b', ''), {
  noNullPrototype: false,
});
const selectors = fc.constantFrom(
  'app=a',
  'app=b,tier=a',
  'tier!=a',
  'app in (a,b)',
  'tier',
  '!tier,app=a',
  'app=',
);
const changes = fc.array(
  fc.record({
    namespace: namespaces,
    name: fc.constantFrom('1', '2', '3', '4'),
    labels,
    isGone: fc.boolean(),
  }),
  { maxLength: 30 },
);

test('selects what a look at every pod would, whatever came and went, and whenever it was asked', () => {
  fc.assert(
    fc.property(changes, fc.array(fc.tuple(namespaces, selectors)), (steps, asked) => {
      const index = new PodIndex();
      const pods = new Map<string, Pod>();
      for (const { namespace, name, labels: own, isGone } of steps) {
        const key = `${namespace}/${name}`;
        const after = isGone ? undefined : pod(namespace, name, own);
        index.change(pods.get(key), after);
        if (after === undefined) pods.delete(key);
        else pods.set(key, after);
        for (const [where, selector] of asked) {
          const wanted = [...pods.values()].filter(
            (one) => one.namespace === where && matches(parseSelector(selector), one.labels),
          );
          expect(new Set(index.select(where, selector))).toEqual(new Set(wanted));
        }
      }
    }),
  );
});

test('gives the same array until a pod of the selection changes', () => {
  const index = new PodIndex();
  const [first, other] = [pod('media', '1', { app: 'a' }), pod('media', '2', { app: 'b' })];
  index.change(undefined, first);
  const before = index.select('media', 'app=a');
  index.change(undefined, other);
  expect(index.select('media', 'app=a')).toBe(before);
  index.change(first, { ...first, state: 'terminating' });
  expect(index.select('media', 'app=a')).not.toBe(before);
});

test('selects nothing without a selector', () => {
  const index = new PodIndex();
  index.change(undefined, pod('media', '1', {}));
  expect(index.select('media', '')).toEqual([]);
});
