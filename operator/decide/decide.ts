import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import type { Signals } from '../measure/signals.ts';
import { followAckPending } from './ackPending.ts';
import type { AckPendingDecided } from './ackPending.ts';
import { deadBand } from './deadBand.ts';
import type { Decision, HoldReason, Limit, ScaleReason } from './decision.ts';
import { diagnose, targetDiagnosis } from './diagnosis.ts';
import { evidenceOf } from './evidence.ts';
import { fallback, missingData, whatIsUnknown } from './freshness.ts';
import { followExperiment } from './experiment.ts';
import { ackPendingGuard } from './guards/ackPending.ts';
import { ackWaitGuard } from './guards/ackWait.ts';
import { downstreamGuard, downstreamTest } from './guards/downstream.ts';
import { enforce, objections } from './guards/guard.ts';
import type { Objection } from './guards/guard.ts';
import { idleWorkersGuard } from './guards/idleWorkers.ts';
import { poisonGuard } from './guards/poison.ts';
import { retriesGuard } from './guards/retries.ts';
import { schedulingGuard } from './guards/scheduling.ts';
import { stageGuard } from './guards/stage.ts';
import type { Stage } from './stage.ts';
import { bounds, contest, mode, ratePolicies, stabilization } from './limits.ts';
import { adopt } from './memory.ts';
import type { Memory } from './memory.ts';
import type { Proposal, Rule } from './proposal.ts';
import { demandSentence, leastSentence } from './sentences.ts';
import { situate } from './situation.ts';
import type { ScheduledFloor, Situation } from './situation.ts';
import { remember } from './stabilization.ts';
import { stuckBy } from './stuck.ts';
import { zero } from './zero.ts';

export type DecideInput = {
  readonly spec: WorkerPoolSpec;
  readonly signals: Signals;
  readonly memory: Memory;
  /** Monotonic milliseconds. */
  readonly nowMs: number;
  readonly schedule?: ScheduledFloor | undefined;
  /** How the pools stand that this one feeds. */
  readonly stages?: readonly Stage[];
};

export type Decided = { readonly decision: Decision; readonly memory: Memory };

/** Rules that find more replicas useless. Each only ever limits an increase. */
const guards = [
  downstreamGuard,
  retriesGuard,
  idleWorkersGuard,
  ackPendingGuard,
  ackWaitGuard,
  poisonGuard,
  stageGuard,
  schedulingGuard,
];

/** From what the demand asks for to what is wanted. The order matters: each rule sees what those before it left. */
const wantedRules = (found: readonly Objection[]): readonly Rule[] => [
  missingData,
  fallback,
  ...found.map(enforce),
  deadBand,
];

/** From what is wanted to what is done now. */
const allowedRules: readonly Rule[] = [
  stabilization,
  ratePolicies,
  downstreamTest,
  contest,
  bounds,
  zero,
  mode,
];

/** However quiet, a pool is looked at again after this time, milliseconds. */
const longestCheckMs = 15_000;

/**
 * Decides how many replicas a pool should have. Pure: the same input gives the same answer.
 *
 * @returns the decision, and the memory for the next one. A write that succeeded is noted with `recordScale`.
 */
export function decide(input: DecideInput): Decided {
  const { spec, signals, nowMs } = input;
  const { workload } = signals;
  if (workload.kind === 'absent') return gate(input, 'TargetMissing', workload.message);
  if (workload.kind === 'unseen') return gate(input, 'TargetUnavailable', workload.message);

  const { memory, current } = adopt(input.memory, workload, nowMs);
  if (spec.mode === 'Paused') {
    return gate({ ...input, memory }, 'Paused', 'in mode Paused the replicas are left alone', current);
  }
  if (memory.isTurnedOff) {
    const message = 'somebody set the replicas to 0; they stay off until somebody raises them';
    return gate({ ...input, memory }, 'TurnedOff', message, current);
  }

  const facts = situate(input, workload, seeded(memory, current, nowMs), current);
  const experiment = followExperiment(facts);
  const situation = { ...facts, memory: { ...facts.memory, experiment } };
  const asked: Proposal = { replicas: situation.demand.replicas, limitedBy: [], isFallback: false };
  const found = objections(guards, situation);
  const wanted = apply(wantedRules(found), asked, situation);
  const allowed = apply(allowedRules, wanted, situation);
  const recommendations = remember(
    situation.memory.recommendations,
    { replicas: wanted.replicas, atMs: nowMs },
    situation.windows,
  );
  const ackPending = followAckPending(situation, allowed.replicas);
  return {
    decision: conclude(situation, allowed, found, ackPending),
    memory: {
      ...memory,
      recommendations,
      experiment,
      revision: workload.revision ?? memory.revision,
      ackPending: ackPending.memory,
    },
  };
}

/** After a restart the present size counts as recommended, so that the first decision takes nothing away. */
function seeded(memory: Memory, current: number, nowMs: number): Memory {
  if (!memory.recommendations.isEmpty) return memory;
  const now = [{ replicas: current, atMs: nowMs }];
  return { ...memory, recommendations: { isEmpty: false, highs: now, lows: now } };
}

function apply(rules: readonly Rule[], proposal: Proposal, situation: Situation): Proposal {
  return rules.reduce((changed, rule) => rule(changed, situation), proposal);
}

/** A hold that no rule was asked about. */
function gate(input: DecideInput, reason: HoldReason, message: string, current?: number): Decided {
  const decision: Decision = {
    kind: 'hold',
    from: current,
    to: current,
    recommended: undefined,
    reason,
    message,
    limitedBy: [],
    ackPending: [],
    diagnosis: [targetDiagnosis(input.signals.workload)],
    evidence: evidenceOf(input.signals),
    stuck: undefined,
    nextCheckMs: longestCheckMs,
  };
  return { decision, memory: input.memory };
}

function conclude(
  situation: Situation,
  { replicas, limitedBy, isFallback }: Proposal,
  found: readonly Objection[],
  ackPending: AckPendingDecided,
): Decision {
  const { current, demand, signals, nowMs } = situation;
  const evidence = evidenceOf(signals);
  const unknown = whatIsUnknown(situation);
  const demanded =
    unknown === undefined ? demandSentence(situation, evidence) : leastSentence(situation, unknown);
  const diagnosis = [...diagnose(situation, limitedBy, found, replicas), ...ackPending.diagnosis];
  const outlook = diagnosis.find(({ type }) => type === 'ObjectiveReachable');
  const lastLimit = limitedBy.at(-1);
  const untilMs = limitedBy.reduce(
    (soonest, { untilMs = Infinity }) => (untilMs > nowMs ? Math.min(soonest, untilMs) : soonest),
    Infinity,
  );
  const conclusion = {
    recommended: unknown === undefined ? demand.replicas : undefined,
    message:
      lastLimit === undefined || lastLimit.message === unknown?.message
        ? demanded
        : `${demanded}; ${lastLimit.message}`,
    limitedBy,
    ackPending: ackPending.changes,
    diagnosis,
    evidence,
    stuck: stuckBy(situation, evidence, outlook),
    nextCheckMs: Math.max(0, Math.min(longestCheckMs, untilMs - nowMs)),
  };
  if (replicas === current) {
    const reason = lastLimit?.reason ?? unknown?.reason ?? 'Balanced';
    return { kind: 'hold', from: current, to: current, reason, ...conclusion };
  }
  const reason = isFallback ? 'Fallback' : scaleReason(situation, replicas, limitedBy);
  return { kind: 'scale', from: current, to: replicas, reason, ...conclusion };
}

function scaleReason(
  { current, demand, spec, floor }: Situation,
  to: number,
  limitedBy: readonly Limit[],
): ScaleReason {
  if (current < spec.minReplicas) return 'BelowMinimum';
  if (current < floor.replicas && to === floor.replicas) return 'ScheduleStarted';
  if (current > spec.maxReplicas) return 'AboveMaximum';
  if (to < current && limitedBy.some(({ reason }) => reason === 'DownstreamTest')) return 'DownstreamTest';
  if (to < current) return to === 0 ? 'IdleToZero' : 'DemandFell';
  if (current === 0) return 'WokeFromZero';
  const [arrivals, backlog] = demand.sources.reduce(
    ([a, b], source) => [a + (source?.arrivals ?? 0), b + (source?.backlog ?? 0)],
    [0, 0],
  );
  return backlog > arrivals ? 'BacklogGrew' : 'ArrivalsGrew';
}
