import { describe, expect, it } from 'vitest';
import { decide } from '../../../../operator/decide/decide.ts';
import { initialMemory } from '../../../../operator/decide/memory.ts';
import type { Signals } from '../../../../operator/measure/signals.ts';
import { load, nowMs, pool } from '../../../builders/decisions.ts';
import { spec } from '../../../builders/spec.ts';

const busy = load({ arrivals: 30, queued: 500, running: 6 });

/** Decides once a second on the same load, with every write succeeding, and tells the replicas each time. */
function follow(
  foundLimitPerSecond: number,
  seconds: number,
  { current = 6, source = busy, lost = 0, rollout = Infinity } = {},
): readonly number[] {
  let memory = initialMemory(nowMs, { writtenReplicas: current, foundLimitPerSecond });
  let replicas = current;
  return Array.from({ length: seconds }, (_, second) => {
    const atMs = nowMs + 1_000 * second;
    const seen = JSON.parse(JSON.stringify(pool(replicas, source)), (key, value: unknown) =>
      key === 'atMs' ? atMs - (second < lost ? 60_000 : 0) : value,
    ) as Signals; // The same figures, seen again.
    const revision = second < rollout ? 'old' : 'new';
    const signals =
      seen.workload.kind === 'seen' ? { ...seen, workload: { ...seen.workload, revision } } : seen;
    const decided = decide({ spec: spec({ maxReplicas: 60 }), signals, memory, nowMs: atMs });
    memory = decided.memory;
    replicas = decided.decision.to ?? replicas;
    return replicas;
  });
}

describe('what an earlier run found of a dependency', () => {
  it.each([
    { title: 'as it was', limit: 20 },
    { title: 'forged: beyond all', limit: 1e15 },
    { title: 'forged: next to nothing', limit: 1e-9 },
  ])('holds growth for a while, takes nothing away, and ends ($title)', ({ limit }) => {
    const replicas = follow(limit, 900);
    expect(Math.min(...replicas)).toBe(6);
    expect(replicas.slice(0, 100).every((count) => count === 6)).toBe(true);
    expect(replicas.at(-1)).toBeGreaterThan(6);
  });

  it('is kept while the source is out of sight', () => {
    const replicas = follow(20, 60, { lost: 20 });
    expect(Math.max(...replicas)).toBe(6);
  });

  it('is forgotten when another revision of the workers comes', () => {
    const replicas = follow(20, 60, { rollout: 20 });
    expect(Math.max(...replicas.slice(0, 20))).toBe(6);
    expect(replicas[20]).toBeGreaterThan(6);
  });

  it('is forgotten when nothing waits, and does not keep a pool at zero', () => {
    expect(follow(20, 5, { source: load({ arrivals: 30, running: 6 }) }).at(-1)).toBeGreaterThan(6);
    expect(follow(20, 5, { current: 0 }).at(-1)).toBeGreaterThan(6);
  });
});
