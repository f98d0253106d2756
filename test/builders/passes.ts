import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import { emptyHistory, measure } from '../../operator/measure/measure.ts';
import type { History } from '../../operator/measure/measure.ts';
import type { Signals, SourceSignals } from '../../operator/measure/signals.ts';
import type { Observation } from '../../operator/observe/observation.ts';
import { spec } from './spec.ts';

/** Measures observations one after the other, as the passes of an operator do. */
export function passes(
  observations: readonly Observation[],
  policy: WorkerPoolSpec = spec(),
): { readonly signals: Signals; readonly first: SourceSignals; readonly history: History } {
  let history = emptyHistory;
  let signals: Signals | undefined;
  for (const observation of observations) ({ signals, history } = measure(history, observation, policy));
  const first = signals?.sources[0];
  if (signals === undefined || first === undefined) throw new Error('no observation of a source was given');
  return { signals, first, history };
}
