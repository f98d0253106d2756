import { run } from '../../operator/simulate/compare.ts';
import type { Run } from '../../operator/simulate/compare.ts';
import { parsePeer } from '../../operator/simulate/contestants.ts';
import { loadOfTimes } from '../../operator/simulate/load.ts';
import type { Load } from '../../operator/simulate/load.ts';
import { penstock } from '../../operator/simulate/policy.ts';
import type { SimulateOptions } from './options.ts';
import type { Pool } from './pools.ts';
import { setUp } from './setup.ts';

/** Stages one after the other: what the first has done arrives in the second. Each autoscaler scales all of them. */
export function runPipeline(
  options: SimulateOptions,
  stages: readonly Pool[],
  load: Load,
  say: (what: string, share: number) => void,
): readonly Run[] {
  const delaySeconds = Math.round(options.observationDelay / 1_000);
  return [undefined, ...(options.peer ?? ['keda'])].flatMap((peer) => {
    let arriving = load;
    return stages.map(({ name, spec }) => {
      const simulation = setUp(options, spec, arriving);
      const { slots } = simulation.model;
      const autoscaler =
        peer === undefined
          ? penstock(spec, { delaySeconds })
          : parsePeer(peer, { spec, slots, delaySeconds });
      const doneMs: number[] = [];
      const named = { ...autoscaler, name: `${autoscaler.name}: ${name}` };
      const done = run(simulation, named, {
        onDone: (atMs) => doneMs.push(atMs),
        onProgress: (share) => say(named.name, share),
      });
      arriving = loadOfTimes(doneMs, name);
      return done;
    });
  });
}
