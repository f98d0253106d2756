import type { Evidence } from './decision.ts';
import type { Situation } from './situation.ts';

/** What arrives, what waits and what that takes, in one clause with figures. */
export function demandSentence({ demand, spec, isIdle }: Situation, evidence: Evidence): string {
  if (isIdle) return `no work for ${spec.zero.idleSeconds} s`;
  const { arrivalsPerSecond, capacityPerReplica, queuedMessages } = evidence;
  const arrive =
    arrivalsPerSecond === null ? 'arrivals are not known yet' : `${figure(arrivalsPerSecond)} jobs/s arrive`;
  const complete =
    capacityPerReplica === null ? '' : `, one replica completes ${figure(capacityPerReplica)}/s`;
  const { drainSeconds, utilizationPercent } = spec.objective;
  const needed = demand.replicas === 1 ? '1 replica' : `${demand.replicas} replicas`;
  if (queuedMessages !== null && queuedMessages > 0) {
    return `${arrive}${complete}, ${figure(queuedMessages)} wait: ${needed} to drain them within ${drainSeconds} s`;
  }
  return `${arrive}${complete}, none wait: ${needed} to carry them at ${utilizationPercent} % utilization`;
}

/** Two digits where they matter, whole numbers above. */
function figure(value: number): string {
  if (value >= 10 || Number.isInteger(value)) return value.toFixed(0);
  return value >= 0.1 ? value.toFixed(1) : value.toPrecision(1);
}
