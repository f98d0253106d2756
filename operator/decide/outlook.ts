import type { Overflow } from '../measure/signals.ts';
import type { Diagnosis } from './decision.ts';
import { wholeReplicas } from './demand.ts';
import { whatIsUnknown } from './freshness.ts';
import type { Situation } from './situation.ts';

/**
 * Whether the objective can be reached; if not, the first thing in its way as the primary cause, what contributes, and
 * what would help:
 *
 * | asked in this order | reason |
 * |---|---|
 * | is anything not known? | why it is not known |
 * | do the replicas there are suffice? | `OnTrack` |
 * | does a guard find more replicas useless? | the guard's |
 * | does more arrive than maxReplicas can complete? | `IntakeExceedsCapacity` |
 * | is maxReplicas reached? | `MaxReplicas` |
 * | is it being tested whether more replicas help? | `DownstreamSuspected` |
 * | else more replicas are on their way | `CatchingUp` |
 *
 * @param findings what guards have found, in their order.
 */
export function outlook(situation: Situation, findings: readonly Diagnosis[]): Diagnosis {
  const type = 'ObjectiveReachable';
  const { current, demand } = situation;
  const unknown = whatIsUnknown(situation);
  if (unknown !== undefined) return { type, status: 'Unknown', ...unknown };
  if (demand.replicas <= current) {
    const message = 'the replicas there are suffice for the objective';
    return { type, status: 'True', reason: 'OnTrack', message };
  }
  // Poison takes no capacity.
  const obstacles = findings.filter(({ type: found }) => found !== 'PoisonMessages');
  const certain = obstacles.filter(({ status }) => status === 'True');
  const [cause, ...contributing] = [...certain, ...maximumReached(situation)];
  if (cause !== undefined) {
    const reasons = contributing.map(({ reason }) => reason);
    return { ...cause, type, status: 'False', ...(reasons.length > 0 && { contributing: reasons }) };
  }
  const suspicion = obstacles[0];
  if (suspicion !== undefined) return { ...suspicion, type, status: 'Unknown' };
  const message = `${demand.replicas} replicas are needed; there are ${current}, and more are on their way`;
  return { type, status: 'True', reason: 'CatchingUp', message };
}

type Cause = Pick<Diagnosis, 'reason' | 'message' | 'remedies'>;

/**
 * Whether maxReplicas fall short of the arrivals even when always busy: Σ λ/c > maxReplicas, with λ the mean arrivals
 * and c the jobs per second of one replica.
 */
function intakeExcess({ signals, spec, demand }: Situation): Cause | undefined {
  let [replicas, arrivals, queued] = [0, 0, 0];
  for (const [index, { arrivalsPerSecond, capacity, queuedMessages }] of signals.sources.entries()) {
    if (demand.sources[index] === undefined) continue;
    if (arrivalsPerSecond.kind === 'unknown' || queuedMessages.kind === 'unknown') return undefined;
    replicas += arrivalsPerSecond.value / capacity.jobsPerSecond;
    arrivals += arrivalsPerSecond.value;
    queued += queuedMessages.value;
  }
  const { maxReplicas, objective } = spec;
  if (replicas <= maxReplicas) return undefined;
  const completed = (arrivals * maxReplicas) / replicas;
  const growth = arrivals - completed;
  const missedInSeconds = (completed * objective.drainSeconds - queued) / growth;
  const missed =
    missedInSeconds > 0 ? `will be missed in ${missedInSeconds.toFixed(0)} s` : 'is missed already';
  const whole = wholeReplicas(replicas / (objective.utilizationPercent / 100));
  const message =
    `${arrivals.toFixed(1)} jobs/s arrive, ${maxReplicas} replicas complete at most ${completed.toFixed(1)}/s, so the ` +
    `backlog grows by ${growth.toFixed(1)}/s and the objective ${missed}: raise maxReplicas to ${whole}, or take in ` +
    `no more than ${completed.toFixed(1)}/s${overflowSentence({ signals, spec })}`;
  const remedies = [
    { change: 'maxReplicas', to: whole },
    { change: 'intakePerSecond', to: completed },
  ] as const;
  return { reason: 'IntakeExceedsCapacity', message, remedies };
}

/** What a backlog that only grows leads to; a limit that makes producers wait is as it should be. */
const overflows: Record<Overflow, ((stream: string) => string) | undefined> = {
  unbounded: (stream) =>
    `; stream ${stream} has no limit and will fill the disk: set max_msgs and discard new, so that producers are ` +
    `refused (an intake answers 503)`,
  dropsOldest: (stream) =>
    `; at its limit stream ${stream} drops the oldest jobs unworked: set discard new, so that producers are refused`,
  refusesNew: undefined,
};

function overflowSentence({ signals, spec }: Pick<Situation, 'signals' | 'spec'>): string {
  for (const [index, { overflow }] of signals.sources.entries()) {
    if (overflow.kind === 'unknown') continue;
    const sentence = overflows[overflow.value]?.(spec.sources[index]?.stream ?? '');
    if (sentence !== undefined) return sentence;
  }
  return '';
}

function maximumReached(situation: Situation): readonly Cause[] {
  const { current, demand, spec } = situation;
  if (current < spec.maxReplicas) return [];
  const excess = intakeExcess(situation);
  if (excess !== undefined) return [excess];
  const message = `maxReplicas is ${spec.maxReplicas}; the objective needs ${demand.replicas}`;
  return [{ reason: 'MaxReplicas', message, remedies: [{ change: 'maxReplicas', to: demand.replicas }] }];
}
