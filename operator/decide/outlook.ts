import type { Diagnosis } from './decision.ts';
import { wholeReplicas } from './demand.ts';
import { whatIsUnknown } from './freshness.ts';
import type { Situation } from './situation.ts';

/**
 * Whether the objective can be reached, and the first thing that stands in its way, with what would help:
 *
 * | asked in this order | reason |
 * |---|---|
 * | is anything not known? | why it is not known |
 * | do the replicas there are suffice? | `OnTrack` |
 * | does a guard find more replicas useless? | the guard's |
 * | does more arrive than maxReplicas can complete? | `IntakeExceedsCapacity` |
 * | is maxReplicas reached? | `MaxReplicas` |
 * | else more replicas are on their way | `CatchingUp` |
 *
 * @param obstacles what guards have found, in their order.
 */
export function outlook(situation: Situation, obstacles: readonly Diagnosis[]): Diagnosis {
  const type = 'ObjectiveReachable';
  const { current, demand, spec } = situation;
  const unknown = whatIsUnknown(situation);
  if (unknown !== undefined) return { type, status: 'Unknown', ...unknown };
  if (demand.replicas <= current) {
    const message = 'the replicas there are suffice for the objective';
    return { type, status: 'True', reason: 'OnTrack', message };
  }
  // Poison takes no capacity, and a suspicion is no cause yet.
  const obstacle = obstacles.find(
    ({ type: found, status }) => found !== 'PoisonMessages' && status === 'True',
  );
  if (obstacle !== undefined) {
    return { type, status: 'False', reason: obstacle.reason, message: obstacle.message };
  }
  const excess = intakeExcess(situation);
  if (excess !== undefined) {
    return { type, status: 'False', reason: 'IntakeExceedsCapacity', message: excess };
  }
  if (current >= spec.maxReplicas) {
    const message = `maxReplicas is ${spec.maxReplicas}; the objective needs ${demand.replicas}`;
    return { type, status: 'False', reason: 'MaxReplicas', message };
  }
  const message = `${demand.replicas} replicas are needed; there are ${current}, and more are on their way`;
  return { type, status: 'True', reason: 'CatchingUp', message };
}

/**
 * Whether maxReplicas fall short of the arrivals even when always busy: Σ λ/c > maxReplicas, with λ the mean arrivals
 * and c the jobs per second of one replica.
 */
function intakeExcess({ signals, spec, demand, current }: Situation): string | undefined {
  let [replicas, arrivals, queued] = [0, 0, 0];
  for (const [index, { arrivalsPerSecond, capacity, queuedMessages }] of signals.sources.entries()) {
    if (demand.sources[index] === undefined) continue;
    if (arrivalsPerSecond.kind === 'unknown' || queuedMessages.kind === 'unknown') return undefined;
    replicas += arrivalsPerSecond.value / capacity.jobsPerSecond;
    arrivals += arrivalsPerSecond.value;
    queued += queuedMessages.value;
  }
  const { maxReplicas, objective } = spec;
  if (current < maxReplicas || replicas <= maxReplicas) return undefined;
  const completed = (arrivals * maxReplicas) / replicas;
  const growth = arrivals - completed;
  const missedInSeconds = (completed * objective.drainSeconds - queued) / growth;
  const missed =
    missedInSeconds > 0 ? `will be missed in ${missedInSeconds.toFixed(0)} s` : 'is missed already';
  const whole = wholeReplicas(replicas / (objective.utilizationPercent / 100));
  return (
    `${arrivals.toFixed(1)} jobs/s arrive, ${maxReplicas} replicas complete at most ${completed.toFixed(1)}/s, so the ` +
    `backlog grows by ${growth.toFixed(1)}/s and the objective ${missed}: raise maxReplicas to ${whole}, or take in ` +
    `no more than ${completed.toFixed(1)}/s`
  );
}
