import { run } from '../../operator/simulate/compare.ts';
import type { Simulation } from '../../operator/simulate/compare.ts';
import { fixed } from '../../operator/simulate/peers.ts';
import { penstock } from '../../operator/simulate/policy.ts';
import { seededRandom } from '../../operator/simulate/random.ts';
import { loadFromRate } from '../../operator/simulate/rateFunction.ts';
import { parseService } from '../../operator/simulate/service.ts';
import type { Autoscaler } from '../../operator/simulate/replay.ts';
import { spec } from '../builders/spec.ts';
import { summarize } from './bench.ts';
import type { Bench } from './bench.ts';

const load = loadFromRate('constant:100/s:1h', seededRandom(1));
const secondsPerDay = 86_400;

type Kind = { readonly name: string; readonly slots: number; readonly autoscaler: () => Autoscaler };

const policy = (slots: number): Kind => ({
  name: `default policy, ${slots} slot${slots === 1 ? '' : 's'} a replica`,
  slots,
  autoscaler: () => penstock(spec({ maxReplicas: 400, prior: { concurrency: slots } })),
});
const kinds: readonly Kind[] = [
  { name: 'fixed size: the model alone', slots: 1, autoscaler: () => fixed(130) },
  policy(1),
  policy(4),
  policy(16),
];

/** Simulated work per second on one core, with and without the policy in the loop. */
export const simulateBench: Bench = {
  name: 'simulate',
  describe:
    'simulated jobs per second on one core: an hour at 100 jobs/s, with a fixed size and with the policy',
  run({ say, runs }) {
    const measured = new Map(kinds.map(({ name }) => [name, [] as number[]]));
    for (const kind of kinds) hour(kind);
    for (let round = 1; round <= runs; round += 1) {
      for (const kind of kinds) measured.get(kind.name)?.push(hour(kind));
      say(`run ${round}`);
    }
    const jobsPerSecond = (name: string): readonly number[] =>
      (measured.get(name) ?? []).map((seconds) => load.jobs / seconds);
    const [alone, ...policies] = kinds.map(({ name }) => name);
    return Promise.resolve({
      title: 'simulate: an hour at 100 jobs/s, jobs of 1 s',
      columns: ['jobs/s', 's for a day'],
      rows: kinds.map(({ name }) => ({
        name,
        cells: [
          summarize(jobsPerSecond(name)),
          summarize((measured.get(name) ?? []).map((seconds) => (seconds * secondsPerDay) / load.seconds)),
        ],
      })),
      ratios: [alone ?? '', ...policies.slice(-1)].map((name) => ({
        name: `${name} / 1,000,000`,
        value: summarize(jobsPerSecond(name).map((perSecond) => perSecond / 1_000_000)),
        aim: '>= 1',
      })),
      notes: ['With heartbeats of every replica in every pass; fewer replicas for the same work cost less.'],
    });
  },
};

/** @returns seconds that it took. */
function hour({ slots, autoscaler }: Kind): number {
  const simulation: Simulation = {
    load,
    service: parseService('exponential:1s', () => ''),
    model: { slots, hasHeartbeats: true, start: { seconds: 5, jitterSeconds: 0 } },
    maxReplicas: 400,
    objectiveSeconds: 60,
    seed: 1,
  };
  const startedMs = performance.now();
  run(simulation, autoscaler());
  return (performance.now() - startedMs) / 1_000;
}
