import type { Evidence, Limit } from './decision.ts';
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
  const needed = counted(demand.replicas);
  if (queuedMessages !== null && queuedMessages > 0) {
    return `${arrive}${complete}, ${figure(queuedMessages)} wait: ${needed} to drain them within ${drainSeconds} s`;
  }
  return `${arrive}${complete}, none wait: ${needed} to carry them at ${utilizationPercent} % utilization`;
}

/** What is not known, and what the known part of the demand asks for. */
export function leastSentence({ demand, spec }: Situation, unknown: Pick<Limit, 'message'>): string {
  const least =
    demand.replicas === 0
      ? 'what it needs is not known'
      : `what is known asks for at least ${counted(demand.replicas)} to drain it within ${spec.objective.drainSeconds} s`;
  return `${unknown.message}: ${least}`;
}

/** A number of replicas in words of a sentence. */
export const counted = (replicas: number): string => (replicas === 1 ? '1 replica' : `${replicas} replicas`);

/** Two digits where they matter, whole numbers above. */
function figure(value: number): string {
  if (value >= 10 || Number.isInteger(value)) return value.toFixed(0);
  return value >= 0.1 ? value.toFixed(1) : value.toPrecision(1);
}
