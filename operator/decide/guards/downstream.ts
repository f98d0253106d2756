import { mayTry, replicasToTry, throughputOf } from '../experiment.ts';
import { limit } from '../proposal.ts';
import type { Rule } from '../proposal.ts';
import { counted } from '../sentences.ts';
import type { Situation } from '../situation.ts';
import { ok } from './guard.ts';
import type { Guard, Verdict } from './guard.ts';

/** Replicas that only wait for the same dependency are not joined by more. */
export const downstreamGuard: Guard = { name: 'downstream', check };

function check(situation: Situation): Verdict {
  const { current } = situation;
  const { experiment } = situation.memory;
  const suspected = (usefulReplicas: number, message: string): Verdict => ({
    kind: 'useless',
    reason: 'DownstreamSuspected',
    condition: { type: 'DownstreamSaturated', status: 'Unknown' },
    usefulReplicas,
    message,
    remedies: [],
  });
  switch (experiment.phase) {
    case 'recalled':
    case 'quiet':
      return ok;
    case 'suspect':
      return suspected(
        current,
        'jobs run slower the more replicas there are, so none is added until that is tested',
      );
    case 'stepDown': {
      const { levels, replicas } = experiment;
      const tested = `it is tested whether ${counted(replicas)} can complete as much`;
      // The first step down has lost nothing: that is the proof. How far down it goes is still to be found.
      return levels.length === 1
        ? suspected(current, tested)
        : saturated(
            situation,
            throughputOf(levels),
            current,
            `fewer complete as much as more did, and ${tested}`,
          );
    }
    case 'stepUp':
      return suspected(
        experiment.replicas,
        `it is tested whether ${counted(experiment.replicas)} can complete more`,
      );
    case 'saturated': {
      const { knee, untilMs } = experiment;
      const evidence = `for which ${counted(knee.usefulReplicas)} would do: with fewer replicas jobs ran faster`;
      return { ...saturated(situation, knee.perSecond, knee.heldReplicas, evidence), untilMs };
    }
  }
}

/** What arrives, and the backlog within the objective: λ + B/T. */
function neededPerSecond({ signals, spec }: Situation): number {
  return signals.sources.reduce((sum, { arrivalsPerSecond, queuedMessages }) => {
    const arrivals = arrivalsPerSecond.kind === 'known' ? arrivalsPerSecond.value : 0;
    const queued = queuedMessages.kind === 'known' ? queuedMessages.value : 0;
    return sum + arrivals + queued / spec.objective.drainSeconds;
  }, 0);
}

function saturated(
  situation: Situation,
  perSecond: number,
  usefulReplicas: number,
  evidence: string,
): Extract<Verdict, { kind: 'useless' }> {
  return {
    kind: 'useless',
    reason: 'DownstreamSaturated',
    condition: { type: 'DownstreamSaturated', status: 'True' },
    usefulReplicas,
    message: `something behind the replicas lets through ${perSecond.toFixed(perSecond < 10 ? 1 : 0)} jobs/s, ${evidence}`,
    remedies: [
      { change: 'downstreamPerSecond', to: neededPerSecond(situation) },
      { change: 'intakePerSecond', to: perSecond },
    ],
  };
}

/** The one rule that takes replicas away although there is work for them: an announced and limited test. */
export const downstreamTest: Rule = (proposal, situation) => {
  const replicas = replicasToTry(situation.memory.experiment);
  if (replicas === undefined || !mayTry(situation) || proposal.replicas <= replicas) return proposal;
  const message = `${counted(replicas)} tried, because more seem to complete no more`;
  return limit(proposal, { reason: 'DownstreamTest', replicas, message });
};
