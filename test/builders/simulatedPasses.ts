import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import type { Decision } from '../../operator/decide/decision.ts';
import type { Observation } from '../../operator/observe/observation.ts';
import { seededRandom } from '../../operator/simulate/random.ts';
import { tell } from '../scenario/run.ts';
import { spec } from './spec.ts';

export type SimulatedPass = {
  readonly pool: { readonly key: string; readonly spec: WorkerPoolSpec };
  readonly observation: Observation;
  readonly decision: Decision;
  readonly outcome: { readonly kind: 'scaled'; readonly message: string } | undefined;
};

/** What an operator would have seen and decided, second by second, while jobs of half a second come in, 12 a second. */
export function simulatedPasses(options: {
  readonly seconds: number;
  readonly policy?: Parameters<typeof spec>[0];
}): readonly SimulatedPass[] {
  const observations: Observation[] = [];
  const arrivals = seededRandom(2);
  const policy = spec({ prior: { concurrency: 2, serviceMilliseconds: 500 }, ...options.policy });
  const { decisions } = tell({
    spec: policy,
    model: { random: seededRandom(1), serviceMs: 500, slots: 2, startMs: 2_000, hasHeartbeats: true },
    seconds: options.seconds,
    arrivals: () => arrivals.poisson(12),
    disturb: (observation) => {
      observations.push(observation);
      return observation;
    },
  });
  return observations.flatMap((observation, index) => {
    const decision = decisions[index];
    if (decision === undefined) return [];
    const outcome = decision.kind === 'scale' ? ({ kind: 'scaled', message: '' } as const) : undefined;
    return [{ pool: { key: 'default/work', spec: policy }, observation, decision, outcome }];
  });
}
