import type { Limit } from './decision.ts';
import type { Situation } from './situation.ts';

/** The answer on its way through the rules. */
export type Proposal = {
  readonly replicas: number;
  readonly limitedBy: readonly Limit[];
  /** Whether the fallback, not the demand, raised it. */
  readonly isFallback: boolean;
};

/** Looks at the situation and hands the proposal on, changed or not. */
export type Rule = (proposal: Proposal, situation: Situation) => Proposal;

/** The proposal with another number of replicas and the rule that wanted it; unchanged if that is no change. */
export function limit(proposal: Proposal, by: Limit): Proposal {
  if (by.replicas === proposal.replicas) return proposal;
  return { ...proposal, replicas: by.replicas, limitedBy: [...proposal.limitedBy, by] };
}
