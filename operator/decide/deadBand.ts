import { limit } from './proposal.ts';
import type { Rule } from './proposal.ts';

/**
 * Hysteresis. Going down must leave a lower utilization than the one that going up aims at, so that the same load
 * does not ask for the replicas back; and a replica that still has a job to run costs nothing by staying for it.
 */
export const deadBand: Rule = (proposal, { current, demand }) => {
  if (proposal.replicas >= current) return proposal;
  const lasting = Math.min(current, demand.relaxedReplicas);
  const tolerant =
    lasting <= proposal.replicas
      ? proposal
      : limit(proposal, {
          reason: 'WithinTolerance',
          replicas: lasting,
          message: `with fewer than ${lasting} the same load would soon ask for more`,
        });
  const occupied = Math.min(current, demand.occupiedReplicas);
  if (occupied <= tolerant.replicas) return tolerant;
  return limit(tolerant, {
    reason: 'DrainingBacklog',
    replicas: occupied,
    message: `${occupied} still have jobs to run`,
  });
};
