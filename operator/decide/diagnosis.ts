import type { Diagnosis, Limit } from './decision.ts';
import { sourceName, unseenFor } from './freshness.ts';
import type { Objection } from './guards/guard.ts';
import { outlook } from './outlook.ts';
import type { Situation } from './situation.ts';
import type { WorkloadSignals } from '../measure/signals.ts';

/** Standing facts about the pool, one per type. Guards in mode Observe report here and nowhere else. */
export function diagnose(
  situation: Situation,
  limitedBy: readonly Limit[],
  found: readonly Objection[],
  replicas: number,
): readonly Diagnosis[] {
  const obstacles = found.map(guardDiagnosis);
  return [
    targetDiagnosis(situation.workload),
    sourceDiagnosis(situation),
    activeDiagnosis(situation, replicas),
    limitedDiagnosis(limitedBy),
    outlook(situation, obstacles),
    ...obstacles,
  ];
}

export function targetDiagnosis(workload: WorkloadSignals): Diagnosis {
  const type = 'TargetAvailable';
  switch (workload.kind) {
    case 'seen':
      return { type, status: 'True', reason: 'TargetSeen', message: 'the workload can be read' };
    case 'absent':
      return { type, status: 'False', reason: 'TargetMissing', message: workload.message };
    case 'unseen':
      return { type, status: 'Unknown', reason: 'TargetUnavailable', message: workload.message };
  }
}

function sourceDiagnosis(situation: Situation): Diagnosis {
  const type = 'SourceAvailable';
  const { sightings } = situation;
  const absent = sightings.indexOf('absent');
  if (absent !== -1) {
    const message = `${sourceName(situation, absent)} does not exist`;
    return { type, status: 'False', reason: 'ConsumerMissing', message };
  }
  const lost = sightings.indexOf('lost');
  if (lost !== -1) {
    return { type, status: 'False', reason: 'SourceUnavailable', message: unseenFor(situation, lost) };
  }
  return { type, status: 'True', reason: 'SourcesSeen', message: 'every source answers' };
}

function activeDiagnosis({ isIdle, signals }: Situation, replicas: number): Diagnosis {
  const type = 'Active';
  if (replicas > 0) {
    return { type, status: 'True', reason: 'ReplicasWanted', message: `${replicas} replicas are wanted` };
  }
  const paused = signals.sources.some((source) => source.paused);
  const message = paused ? 'scaled to zero; a consumer is paused' : 'scaled to zero';
  return { type, status: 'False', reason: isIdle ? 'NoWork' : 'AtZero', message };
}

function limitedDiagnosis(limitedBy: readonly Limit[]): Diagnosis {
  const type = 'ScalingLimited';
  const last = limitedBy.at(-1);
  if (last === undefined) {
    return { type, status: 'False', reason: 'AsDemanded', message: 'the demand decides' };
  }
  return { type, status: 'True', reason: last.reason, message: last.message };
}

function guardDiagnosis({ finding }: Objection): Diagnosis {
  const { condition, reason, message, remedies } = finding;
  return { ...condition, reason, message, ...(remedies.length > 0 && { remedies }) };
}
