import { secondsToMs } from '#common/units.ts';
import { limit } from './proposal.ts';
import type { Rule } from './proposal.ts';
import { idleMs } from './situation.ts';
import type { Situation } from './situation.ts';

/**
 * The way to zero and back. To zero only with nothing unresolved, everything in sight, and no work for a while; out
 * of zero for more than `activationMessages`, or for anything that has waited `maxWaitSeconds`.
 */
export const zero: Rule = (proposal, situation) => {
  if (situation.floor.replicas > 0) return proposal;
  if (situation.current === 0 && !proposal.isFallback) {
    if (!isAwake(situation)) return stay(proposal, situation);
    if (situation.spec.behavior.scaleUp.selectPolicy === 'Disabled') return proposal;
    // What is unresolved may be held by a replica that is gone, so that no demand is seen: one replica finds out.
    return { ...proposal, replicas: Math.max(1, proposal.replicas) };
  }
  if (proposal.replicas > 0 || situation.isIdle) return proposal;
  return limit(proposal, {
    reason: 'NotIdle',
    replicas: 1,
    message: `the last one stays until there has been no work for ${situation.spec.zero.idleSeconds} s`,
    untilMs: idleFromMs(situation),
  });
};

/** If no work comes until then, the pool is idle. */
function idleFromMs({ signals, spec, nowMs }: Situation): number {
  const workMs = signals.sources.map(({ lastWorkMs }) =>
    lastWorkMs.kind === 'known' ? lastWorkMs.value : nowMs,
  );
  return Math.max(...workMs) + idleMs(spec);
}

const stay: Rule = (proposal, situation) => {
  const { activationMessages } = situation.spec.zero;
  const unresolved = unresolvedMessages(situation);
  return limit(proposal, {
    reason: 'BelowActivation',
    replicas: 0,
    message: `${unresolved} unresolved messages are not more than activationMessages ${activationMessages}`,
    ...wakeTime(situation),
  });
};

/** When what has waited longest wakes the pool. */
function wakeTime({ signals, spec }: Situation): { readonly untilMs?: number } {
  const { maxWaitSeconds } = spec.zero;
  const since = signals.sources.flatMap(({ unresolvedSinceMs }) => unresolvedSinceMs ?? []);
  if (maxWaitSeconds === undefined || since.length === 0) return {};
  return { untilMs: Math.min(...since) + secondsToMs(maxWaitSeconds) };
}

function isAwake(situation: Situation): boolean {
  const { spec, signals, nowMs } = situation;
  const { activationMessages, maxWaitSeconds } = spec.zero;
  if (unresolvedMessages(situation) > activationMessages) return true;
  if (maxWaitSeconds === undefined) return false;
  return signals.sources.some(
    ({ unresolvedSinceMs }) =>
      unresolvedSinceMs !== undefined && nowMs - unresolvedSinceMs >= secondsToMs(maxWaitSeconds),
  );
}

function unresolvedMessages({ signals, sightings }: Situation): number {
  return signals.sources.reduce((sum, { backlogMessages }, index) => {
    const counts = sightings[index] === 'current' || sightings[index] === 'recent';
    return counts && backlogMessages.kind === 'known' ? sum + backlogMessages.value : sum;
  }, 0);
}
