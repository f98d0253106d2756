import { describe, expect, it } from 'vitest';
import {
  besideOracles,
  cheapestAsFast,
  foreknow,
  oracles,
  run,
} from '../../../../operator/simulate/compare.ts';
import type { Run, Simulation } from '../../../../operator/simulate/compare.ts';
import { parsePeer } from '../../../../operator/simulate/contestants.ts';
import { drawSvg } from '../../../../operator/simulate/drawing.ts';
import { page } from '../../../../operator/simulate/page.ts';
import { overTime } from '../../../../operator/simulate/plots.ts';
import { penstock } from '../../../../operator/simulate/policy.ts';
import { loadFromRate } from '../../../../operator/simulate/rateFunction.ts';
import { seededRandom } from '../../../../operator/simulate/random.ts';
import { parseService } from '../../../../operator/simulate/service.ts';
import { spec } from '../../../builders/spec.ts';

const policy = spec({ maxReplicas: 20 });
const simulation: Simulation = {
  load: loadFromRate('steps:6/s@50s,0/s@50s*3', seededRandom(1)),
  service: parseService('exponential:1s', () => ''),
  model: { slots: 1, hasHeartbeats: true, start: { seconds: 2, jitterSeconds: 0 } },
  maxReplicas: 20,
  objectiveSeconds: 60,
  seed: 1,
};
const peer = (text: string): Run =>
  run(simulation, parsePeer(text, { spec: policy, slots: 1, delaySeconds: 0 }));

describe('a comparison', () => {
  const runs = [run(simulation, penstock(policy)), peer('keda'), peer('hpa'), peer('fixed:5')];

  it('puts the same load through the policy and its peers, and all of it is done', () => {
    const { jobs } = simulation.load;
    expect(runs.map(({ outcome }) => outcome.jobs)).toEqual(runs.map(() => jobs));
    expect(runs.map(({ outcome }) => outcome.unfinished)).toEqual(runs.map(() => 0));
    expect(runs.map(({ outcome }) => outcome.name)).toEqual([
      'Penstock',
      'KEDA + HPA',
      'HPA at 80 %',
      'fixed 5',
    ]);
  });

  it('gives each job the same run time, whoever scales', () => {
    const busyMs = runs.map(({ outcome }) => outcome.replicaSeconds / (outcome.cost ?? 0));
    for (const each of busyMs) expect(each).toBeCloseTo(busyMs[0] ?? 0, 6);
  });

  it('costs less with the policy than with peers that shrink after minutes', () => {
    const costs = runs.map(({ outcome }) => outcome.cost ?? Infinity);
    expect(costs[0]).toBeLessThan(Math.min(...costs.slice(1, 3)));
  });

  it('counts jobs that never started as waiting to the end', () => {
    const { outcome } = peer('fixed:0');
    expect(outcome.unfinished).toBe(simulation.load.jobs);
    expect(outcome.waitP50Seconds).toBeGreaterThan(600);
    expect(outcome.beyondObjective).toBe(1);
    expect(outcome.cost).toBeNull();
  });

  it('tells its progress', () => {
    const shares: number[] = [];
    run(simulation, penstock(policy), { onProgress: (share) => shares.push(share) });
    expect(shares.length).toBeGreaterThanOrEqual(300);
    expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  });

  it('looks later by the delay of the observations', () => {
    const late = run(simulation, penstock(policy, { delaySeconds: 10 }));
    expect(late.outcome.waitP50Seconds).toBeGreaterThan((runs[0]?.outcome.waitP50Seconds ?? 0) + 5);
  });

  it('varies start times evenly within their jitter', () => {
    const model = { ...simulation.model, start: { seconds: 10, jitterSeconds: 9 } };
    const { waitsMs } = run(
      { ...simulation, model },
      parsePeer('fixed:20', { spec: policy, slots: 1, delaySeconds: 0 }),
    );
    const first = (waitsMs[0] ?? 0) / 1_000;
    expect(first).toBeGreaterThan(0.5);
    expect(first).toBeLessThan(9);
  });
});

describe('the oracle', () => {
  const known = oracles(simulation);

  it('knows the arrivals and run times that are drawn', () => {
    const { arrivalsMs, serviceMs } = foreknow(simulation);
    expect(arrivalsMs).toHaveLength(simulation.load.jobs);
    const busySeconds = serviceMs.reduce((sum, ms) => sum + ms, 0) / 1_000;
    const { outcome } = peer('fixed:5');
    expect(outcome.replicaSeconds / (outcome.cost ?? 0)).toBeCloseTo(busySeconds, 6);
  });

  it('has the replicas ready when the first jobs arrive', () => {
    const hasty = known.map(({ outcome }) => outcome.waitP95Seconds ?? 0);
    expect(Math.min(...hasty)).toBeLessThan(0.5);
  });

  it('waits no longer than the policy for less', () => {
    const own = run(simulation, penstock(policy)).outcome;
    const best = cheapestAsFast(known, own)?.outcome;
    expect(best?.waitP95Seconds).toBeLessThanOrEqual((own.waitP95Seconds ?? 0) + 0.05);
    expect(best?.replicaSeconds).toBeLessThan(own.replicaSeconds);
    expect(besideOracles(own, known).oracleRatio).toBeGreaterThan(1);
  });
});

describe('the page and the drawing', () => {
  const runs = [run(simulation, penstock(policy)), peer('keda')];
  const html = page({ title: 'Pool <x>', paragraphs: ['with "quotes"'], objectiveSeconds: 60 }, runs);

  it('need nothing from elsewhere', () => {
    const isExternal = /\b(src|href)=|@import|url\(/;
    expect(isExternal.test(html.replace(/<script>[^]*?<\/script>/g, ''))).toBe(false);
  });

  it('escape what they are told', () => {
    expect(html.includes('Pool &lt;x>')).toBe(true);
  });

  it('have a row for each, and say which is best', () => {
    expect(html.match(/<tr class=/g)).toHaveLength(runs.length);
    const best = /<tr class="cheapest"><td><span[^>]*><\/span>Penstock/;
    expect(best.test(html)).toBe(true);
  });

  it('have a line for each in each panel', () => {
    const svg = drawSvg(overTime(runs, 60));
    for (const colour of ['#0072b2', '#d55e00']) {
      expect(svg.match(new RegExp(`<path[^>]*stroke="${colour}"`, 'g'))?.length).toBeGreaterThanOrEqual(3);
    }
    expect(/NaN|undefined|Infinity/.test(svg)).toBe(false);
  });

  it('are drawn the same each time', () => {
    expect(drawSvg(overTime(runs, 60)) === drawSvg(overTime(runs, 60))).toBe(true);
  });
});
