import { expect, it } from 'vitest';
import { readPool } from '../../../../../operator/platform/kubernetes/resources.ts';

const metadata = {
  namespace: 'media',
  name: 'work',
  uid: 'u',
  resourceVersion: '1',
  labels: {},
  annotations: {},
};
const saturated = {
  type: 'DownstreamSaturated',
  status: 'True',
  reason: 'DownstreamSaturated',
  message: '',
  lastTransitionTime: '2026-01-02T03:04:05Z',
};

it.each([
  {
    title: 'a verdict and its rate',
    status: { completionsPerSecond: '20', conditions: [saturated] },
    limit: 20,
  },
  { title: 'a verdict without a rate', status: { conditions: [saturated] }, limit: undefined },
  {
    title: 'a rate that is none',
    status: { completionsPerSecond: 'fast', conditions: [saturated] },
    limit: undefined,
  },
  {
    title: 'a rate of nothing',
    status: { completionsPerSecond: '0', conditions: [saturated] },
    limit: undefined,
  },
  {
    title: 'a suspicion',
    status: { completionsPerSecond: '20', conditions: [{ ...saturated, status: 'Unknown' }] },
    limit: undefined,
  },
  { title: 'no status', status: undefined, limit: undefined },
])('what an earlier run found is read from its status: $title', ({ status, limit }) => {
  expect(readPool({ spec: {}, status }, metadata).foundLimitPerSecond).toBe(limit);
});

it('a pool that has just been made, without a status, is read', () => {
  expect(readPool({ spec: {} }, metadata)).toMatchObject({ conditions: [], stored: {} });
});
