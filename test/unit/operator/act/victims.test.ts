import { describe, expect, test } from 'vitest';
import { chooseVictims } from '../../../../operator/act/victims.ts';
import { heartbeat } from '../../../builders/heartbeat.ts';
import type { Observation, ReplicaFacts } from '../../../../operator/observe/observation.ts';

type Given = { name: string; state?: ReplicaFacts['state']; ageMs?: number; jobs?: number };

function observed(replicas: readonly Given[]): Observation {
  const heard = replicas.filter(({ jobs }) => jobs !== undefined);
  return {
    atMs: 0,
    workload: {
      kind: 'seen',
      atMs: 0,
      value: {
        desired: replicas.length,
        replicas: replicas.map(({ name, state = 'ready', ageMs = 1_000 }) => ({
          name,
          state,
          ageMs,
          startMs: undefined,
          revision: undefined,
          message: undefined,
        })),
      },
    },
    sources: [
      {
        consumer: { kind: 'unseen', message: '' },
        heartbeats: heard.map(({ name, jobs = 0 }) => ({
          atMs: 0,
          heartbeat: heartbeat({ worker: name, busy: jobs }),
        })),
      },
    ],
  };
}

describe('the replicas that go first', () => {
  const cases: Record<string, { replicas: Given[]; count: number; go: string[] }> = {
    'the idle one before busy ones': {
      replicas: [
        { name: 'a', jobs: 3 },
        { name: 'b', jobs: 0 },
        { name: 'c', jobs: 1 },
      ],
      count: 2,
      go: ['b', 'c'],
    },
    'the youngest among equals': {
      replicas: [
        { name: 'old', jobs: 0, ageMs: 9_000 },
        { name: 'young', jobs: 0, ageMs: 10 },
      ],
      count: 1,
      go: ['young'],
    },
    'those that do not work yet before idle ones': {
      replicas: [
        { name: 'idle', jobs: 0 },
        { name: 'failing', state: 'failing' },
        { name: 'starting', state: 'starting', ageMs: 5 },
      ],
      count: 2,
      go: ['starting', 'failing'],
    },
    'one that was not heard after all that are known': {
      replicas: [{ name: 'silent' }, { name: 'busy', jobs: 8 }],
      count: 1,
      go: ['busy'],
    },
    'never one that is going already': {
      replicas: [
        { name: 'going', state: 'terminating' },
        { name: 'busy', jobs: 8 },
      ],
      count: 2,
      go: ['busy'],
    },
    'nobody when the number grows': { replicas: [{ name: 'a', jobs: 0 }], count: -1, go: [] },
  };
  test.each(Object.entries(cases))('%s', (_, { replicas, count, go }) => {
    expect(chooseVictims(observed(replicas), count)).toEqual(go);
  });
});
