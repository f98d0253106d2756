import type { Known, Signals, SourceSignals } from '../measure/signals.ts';
import type { Evidence } from './decision.ts';

/** The figures of all sources in one: sums, and means weighted by arrivals. A sum with an unknown part is unknown. */
export function evidenceOf(signals: Signals): Evidence {
  const { sources, workload } = signals;
  const total = (of: (source: SourceSignals) => Known): number | null => totalOf(sources, of);
  return {
    backlogMessages: total((source) => source.backlogMessages),
    queuedMessages: total((source) => source.queuedMessages),
    arrivalsPerSecond: total((source) => source.arrivalsPerSecond),
    plannedArrivalsPerSecond: total((source) => source.plannedArrivalsPerSecond),
    completionsPerSecond: total((source) => source.completionsPerSecond),
    utilization: valueOf(signals.utilization),
    serviceMs: meanByArrivals(sources, ({ capacity }) => valueOf(capacity.serviceMs)),
    capacityPerReplica: capacityOfMix(sources),
    capacityBasis: sources[0]?.capacity.basis ?? null,
    startMs: valueOf(signals.startMs),
    withinShare: signals.serviceLevel.kind === 'known' ? signals.serviceLevel.value.withinShare : null,
    budgetLeft: signals.serviceLevel.kind === 'known' ? signals.serviceLevel.value.budgetLeft : null,
    readyReplicas: workload.kind === 'seen' ? workload.ready : null,
  };
}

export function totalOf(
  sources: readonly SourceSignals[],
  of: (source: SourceSignals) => Known,
): number | null {
  return sources.reduce<number | null>((sum, source) => {
    const part = valueOf(of(source));
    return sum === null || part === null ? null : sum + part;
  }, 0);
}

/** A replica that works on a mix completes the harmonic mean of what it completes of each part alone. */
function capacityOfMix(sources: readonly SourceSignals[]): number | null {
  const secondsPerJob = meanByArrivals(sources, ({ capacity }) => 1 / capacity.jobsPerSecond);
  return secondsPerJob === null || secondsPerJob === 0 ? null : 1 / secondsPerJob;
}

function meanByArrivals(
  sources: readonly SourceSignals[],
  of: (source: SourceSignals) => number | null,
): number | null {
  const weightOf = (source: SourceSignals): number => valueOf(source.arrivalsPerSecond) ?? 0;
  const isQuiet = sources.every((source) => weightOf(source) === 0);
  let [sum, weights] = [0, 0];
  for (const source of sources) {
    const weight = isQuiet ? 1 : weightOf(source);
    const value = of(source);
    if (weight === 0 || value === null) continue;
    sum += weight * value;
    weights += weight;
  }
  return weights === 0 ? null : sum / weights;
}

const valueOf = (signal: Known): number | null => (signal.kind === 'known' ? signal.value : null);
