import { describe, expect, it } from 'vitest';
import type { Simulation } from '../../../../operator/simulate/compare.ts';
import { splitLoad } from '../../../../operator/simulate/load.ts';
import { loadFromRate } from '../../../../operator/simulate/rateFunction.ts';
import { seededRandom } from '../../../../operator/simulate/random.ts';
import { parseService } from '../../../../operator/simulate/service.ts';
import { tune } from '../../../../operator/simulate/tune.ts';
import { spec } from '../../../builders/spec.ts';

const simulation: Simulation = {
  load: loadFromRate('steps:6/s@50s,0/s@50s*4', seededRandom(1)),
  service: parseService('exponential:1s', () => ''),
  model: { slots: 1, hasHeartbeats: true, start: { seconds: 2, jitterSeconds: 0 } },
  maxReplicas: 20,
  objectiveSeconds: 60,
  seed: 1,
};
const policy = spec({ maxReplicas: 20 });

describe('a search', () => {
  const found = tune(simulation, policy, 0.1);

  it('gives the same for the same seed', () => {
    expect(tune(simulation, policy, 0.1)).toEqual(found);
  });

  it('chooses what no setting on the front beats, and nothing worse than what was given', () => {
    for (const { score } of found.front) expect(found.chosen.score).toBeLessThanOrEqual(score);
    expect(found.chosen.score).toBeLessThanOrEqual(found.given.score);
    expect(found.given.settings).toEqual({
      utilizationPercent: 95,
      drainSeconds: 60,
      downWindowSeconds: undefined,
    });
  });

  it('has a front that falls in waiting as it rises in cost', () => {
    const waits = found.front.map(({ searched }) => searched.waitP95Seconds ?? 0);
    const costs = found.front.map(({ searched }) => searched.replicaSeconds);
    expect(found.front.length).toBeGreaterThan(3);
    expect(waits).toEqual([...new Set(waits)].toSorted((a, b) => b - a));
    expect(costs).toEqual(costs.toSorted((a, b) => a - b));
  });

  it('tries the choice on jobs that it was not searched on', () => {
    const { searched, kept } = found.chosen;
    expect(searched.jobs).toBeGreaterThan(0);
    expect(kept.outcome.jobs).toBeGreaterThan(0);
    expect(searched.jobs + kept.outcome.jobs).toBe(simulation.load.jobs);
    expect(found.generalizes).toBe(found.chosen.keptScore <= found.given.keptScore);
  });

  it('pays for less waiting when waiting weighs more', () => {
    const impatient = tune(simulation, policy, 10).chosen.searched;
    expect(impatient.waitP95Seconds).toBeLessThan(found.chosen.searched.waitP95Seconds ?? 0);
    expect(impatient.replicaSeconds).toBeGreaterThan(found.chosen.searched.replicaSeconds);
  });
});

it('a load is split without losing a job', () => {
  const [before, after] = splitLoad(simulation.load, 120);
  expect([before.seconds, after.seconds]).toEqual([120, 280]);
  expect(before.jobs + after.jobs).toBe(simulation.load.jobs);
  expect(after.bins[0]?.fromMs).toBe(0);
});
