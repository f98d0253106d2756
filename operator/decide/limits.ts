import { lowerLimit, nextLeaveMs, upperLimit } from './behavior.ts';
import { limit } from './proposal.ts';
import type { Rule } from './proposal.ts';
import { stabilize } from './stabilization.ts';

/** Waits until the recommendations of a window agree. The way out of zero does not wait. */
export const stabilization: Rule = (proposal, { current, memory, nowMs, windows }) => {
  if (current === 0) return proposal;
  const wanted = { replicas: proposal.replicas, atMs: nowMs };
  const replicas = stabilize(memory.recommendations, current, wanted, windows);
  const isDown = proposal.replicas < replicas;
  const windowMs = isDown ? windows.downMs : windows.upMs;
  const { highs, lows } = memory.recommendations;
  const last = isDown
    ? highs.findLast((high) => high.replicas >= replicas)
    : lows.findLast((low) => low.replicas <= replicas);
  return limit(proposal, {
    reason: 'Stabilized',
    replicas,
    message: `within the last ${(windowMs / 1_000).toFixed(0)} s ${isDown ? 'up to' : 'as few as'} ${replicas} seemed right`,
    ...(last !== undefined && { untilMs: last.atMs + windowMs }),
  });
};

/** Takes steps no larger than `behavior` allows. The way out of zero is one step, unless growing is disabled. */
export const ratePolicies: Rule = (proposal, { current, memory, nowMs, spec }) => {
  const { scaleUp, scaleDown } = spec.behavior;
  const rules = proposal.replicas > current ? scaleUp : scaleDown;
  if (rules.selectPolicy === 'Disabled') {
    const direction = rules === scaleUp ? 'scaleUp' : 'scaleDown';
    const message = `behavior.${direction}.selectPolicy is Disabled`;
    return limit(proposal, { reason: 'RateLimited', replicas: current, message });
  }
  if (current === 0) return proposal;
  const replicas =
    proposal.replicas > current
      ? Math.min(proposal.replicas, upperLimit(scaleUp, current, memory.scaleEvents, nowMs))
      : Math.max(proposal.replicas, lowerLimit(scaleDown, current, memory.scaleEvents, nowMs));
  if (replicas === proposal.replicas) return proposal;
  const untilMs = nextLeaveMs(rules, memory.scaleEvents, nowMs);
  return limit(proposal, {
    reason: 'RateLimited',
    replicas,
    message: `the scaling policies allow ${replicas} for now`,
    ...(untilMs !== undefined && { untilMs }),
  });
};

/** After somebody else has scaled the workload, what they set stays for a while. */
export const contest: Rule = (proposal, { current, memory, nowMs }) => {
  const { contestedUntilMs } = memory;
  if (contestedUntilMs === undefined || nowMs >= contestedUntilMs) return proposal;
  return limit(proposal, {
    reason: 'Contested',
    replicas: current,
    message: `somebody else set ${current}; they stay for ${((contestedUntilMs - nowMs) / 1_000).toFixed(0)} s`,
    untilMs: contestedUntilMs,
  });
};

/** minReplicas, schedules and maxReplicas hold at once, whatever is known. */
export const bounds: Rule = (proposal, { floor, spec: { maxReplicas } }) => {
  const { replicas: least, schedule } = floor;
  if (proposal.replicas < least && schedule !== undefined) {
    const { name, untilMs } = schedule;
    const message = `schedule ${name} asks for ${least}`;
    const until = Number.isFinite(untilMs) && { untilMs };
    return limit(proposal, { reason: 'Scheduled', replicas: least, message, ...until });
  }
  if (proposal.replicas < least) {
    return limit(proposal, { reason: 'MinReplicas', replicas: least, message: `minReplicas is ${least}` });
  }
  const message = `maxReplicas is ${maxReplicas}`;
  const replicas = Math.min(proposal.replicas, maxReplicas);
  return limit(proposal, { reason: 'MaxReplicas', replicas, message });
};

/** What the policy's mode permits; a filter at the end, so that everything before it is the same in every mode. */
export const mode: Rule = (proposal, { current, spec }) => {
  if (spec.mode === 'DryRun') {
    const message = `in mode DryRun; otherwise it would be ${proposal.replicas}`;
    return limit(proposal, { reason: 'DryRun', replicas: current, message });
  }
  if (spec.mode === 'ScaleUpOnly') {
    const message = 'in mode ScaleUpOnly, which never shrinks';
    const replicas = Math.max(current, proposal.replicas);
    return limit(proposal, { reason: 'ScaleUpOnly', replicas, message });
  }
  return proposal;
};
