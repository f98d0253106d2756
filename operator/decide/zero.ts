import { secondsToMs } from '#common/units.ts';
import { limit } from './proposal.ts';
import type { Rule } from './proposal.ts';
import type { Situation } from './situation.ts';

/**
 * The way to zero and back. To zero only with nothing unresolved, everything in sight, and no work for a while; out
 * of zero for more than `activationMessages`, or for anything that has waited `maxWaitSeconds`.
 */
export const zero: Rule = (proposal, situation) => {
  if (situation.spec.minReplicas > 0) return proposal;
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
  });
};

const stay: Rule = (proposal, situation) => {
  const { activationMessages } = situation.spec.zero;
  const unresolved = unresolvedMessages(situation);
  return limit(proposal, {
    reason: 'BelowActivation',
    replicas: 0,
    message: `${unresolved} unresolved messages are not more than activationMessages ${activationMessages}`,
  });
};

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
