import type { SourceSignals } from '../measure/signals.ts';
import { growsWithSlots, isSaturated, levelOf } from './batchMeans.ts';
import type { Level } from './batchMeans.ts';
import { noExperiment } from './experimentState.ts';
import type { Experiment, Knee } from './experimentState.ts';
import type { Situation } from './situation.ts';

/** What remains at a step down, and is tried at a step up. */
const stepDownShare = 2 / 3;
const stepUpShare = 3 / 2;
const heldShare = 1.25;
/** At the maximum with a backlog for so long, nobody knows whether all of them are of use. */
const patienceAtMaximumMs = 30_000;
const verdictMs = 600_000;
/** What an earlier run found holds only so long. */
const recalledMs = 120_000;
const clearanceMs = 300_000;
const longestMs = 2_400_000;
/** A phase that has not found its batches by then is given up. */
const longestPhaseMs = 600_000;
/** Jobs that began before a change of the replicas have ended after so many run times. */
const settleTimes = 2;
/** Standard errors by which completions must rise; a wrong alarm costs one short step up. */
const fasterConfidence = 2;
/** What completes within this time shows whether a limit has gone. */
const noticedMs = 40_000;
/** With fewer arrivals than this share jobs may be others, too, which a step up shows. */
const fallenShare = 0.75;

/** The next state. Pure, like all of decide. */
export function followExperiment(situation: Situation): Experiment {
  const { experiment } = situation.memory;
  const source = busiestSource(situation);
  if (situation.spec.guards.downstream === 'Disabled') return noExperiment;
  // What was found of other workers says nothing about these.
  if (isOtherRevision(situation)) return forget(experiment, situation.nowMs);
  // Out of sight for a while is no news; each phase ends by itself.
  if (source === undefined && !situation.sightings.includes('absent')) return experiment;
  if (source === undefined || isEmpty(source)) return forget(experiment, situation.nowMs);
  switch (experiment.phase) {
    case 'recalled':
      return recall(experiment, source, situation);
    case 'quiet':
      return suspect(experiment, source, situation);
    case 'suspect':
      return measureBefore(experiment, source, situation);
    case 'stepDown':
      return stepDown(experiment, source, situation);
    case 'saturated':
      return awaitChange(experiment, source, situation);
    case 'stepUp':
      return stepUp(experiment, source, situation);
  }
}

/** Replicas that the experiment asks for right now, even if that takes some away. */
export function replicasToTry(experiment: Experiment): number | undefined {
  if (experiment.phase === 'stepDown') return experiment.replicas;
  return experiment.phase === 'saturated' ? experiment.knee.heldReplicas : undefined;
}

/** An experiment needs leave to take replicas away. */
export function mayTry({ spec }: Pick<Situation, 'spec'>): boolean {
  return (
    spec.guards.downstream === 'Enforce' &&
    spec.mode === 'Auto' &&
    spec.behavior.scaleDown.selectPolicy !== 'Disabled'
  );
}

type In<P extends Experiment['phase']> = Extract<Experiment, { phase: P }>;

/** Nothing is known of how many replicas are of use, so those there are stay until a step up is judged. */
function recall({ perSecond }: In<'recalled'>, source: SourceSignals, situation: Situation): Experiment {
  const { nowMs, current } = situation;
  if (current === 0) return released(nowMs);
  const knee = {
    perSecond,
    usefulReplicas: current,
    heldReplicas: current,
    arrivalsPerSecond: rateOf(source),
    rounds: 1,
  };
  return { phase: 'saturated', knee, sinceMs: nowMs, untilMs: nowMs + recalledMs };
}

function suspect(quiet: In<'quiet'>, source: SourceSignals, situation: Situation): Experiment {
  const { nowMs, current, spec, demand, workload } = situation;
  const hasLeft = quiet.untilMs !== -Infinity && nowMs >= quiet.untilMs;
  if (nowMs < quiet.untilMs || current < 2 || demand.replicas <= current) return quiet;
  const isAtMaximum =
    current >= spec.maxReplicas && workload.ready >= current && steadyForMs(situation) >= patienceAtMaximumMs;
  const sinceMs = Math.max(hasLeft ? quiet.untilMs : -Infinity, source.unresolvedSinceMs ?? nowMs);
  // What an earlier backlog showed, or a larger pool, says nothing about growing from here.
  const recent = source.batches.filter(({ fromMs }) => fromMs >= sinceMs);
  if (!isAtMaximum && !growsWithSlots(recent)) return quiet;
  return { phase: 'suspect', replicas: current, sinceMs: nowMs, clearances: quiet.clearances };
}

function measureBefore(now: In<'suspect'>, source: SourceSignals, situation: Situation): Experiment {
  const { nowMs, current, floor } = situation;
  const { sinceMs, clearances } = now;
  const lower = stepBelow(current);
  if (nowMs - sinceMs > longestPhaseMs || lower < floor.replicas) return cleared(clearances, nowMs);
  if (current !== now.replicas) return { ...now, replicas: current, sinceMs: nowMs };
  const level = settledLevel(source, sinceMs);
  if (level === undefined) return now;
  if (!mayTry(situation)) return cleared(clearances, nowMs);
  return {
    phase: 'stepDown',
    replicas: lower,
    sinceMs: nowMs,
    reachedMs: undefined,
    levels: [level],
    clearances,
  };
}

function stepDown(now: In<'stepDown'>, source: SourceSignals, situation: Situation): Experiment {
  const { nowMs, floor } = situation;
  const { levels, replicas, clearances } = now;
  if (nowMs - now.sinceMs > longestPhaseMs || !mayTry(situation)) return cleared(clearances, nowMs);
  const reachedMs = reached(now, situation);
  const level = reachedMs === undefined ? undefined : settledLevel(source, reachedMs);
  if (level === undefined) return { ...now, reachedMs };
  const before = levels.at(-1) ?? levels[0];
  const isFreed = isSaturated(before, level);
  if (!isFreed && levels.length === 1) return cleared(clearances, nowMs);
  const measured = [...levels, level] as const;
  const lower = stepBelow(replicas);
  if (isFreed && lower >= Math.max(1, floor.replicas) && lower < replicas) {
    return { ...now, replicas: lower, sinceMs: nowMs, reachedMs: undefined, levels: measured };
  }
  const knee = kneeOf(measured, source);
  return { phase: 'saturated', knee, sinceMs: nowMs, untilMs: nowMs + verdictMs };
}

/** Mean completions per second of levels that complete the same. */
export const throughputOf = (levels: readonly Level[]): number =>
  levels.reduce((sum, { completedPerSecond }) => sum + completedPerSecond, 0) / levels.length;

/** By Little's law, what the limit lets through and how long a job takes without it tell how many slots are of use. */
function kneeOf(levels: readonly [Level, ...Level[]], source: SourceSignals): Knee {
  const perSecond = throughputOf(levels.slice(0, -1));
  const fastestMs = (levels.at(-1) ?? levels[0]).serviceMs;
  const usefulReplicas = Math.max(1, Math.ceil((perSecond * fastestMs) / 1_000 / source.capacity.slots));
  return {
    perSecond,
    usefulReplicas,
    heldReplicas: Math.ceil(usefulReplicas * heldShare),
    arrivalsPerSecond: rateOf(source),
    rounds: 1,
  };
}

function awaitChange(now: In<'saturated'>, source: SourceSignals, situation: Situation): Experiment {
  const { nowMs, current } = situation;
  const { knee, sinceMs } = now;
  if (nowMs - now.untilMs > longestPhaseMs) return released(nowMs);
  const hasFallen = rateOf(source) < fallenShare * knee.arrivalsPerSecond;
  const level = settledLevel(source, Math.max(sinceMs, nowMs - noticedMs));
  if (level === undefined || current !== knee.heldReplicas) return now;
  const isFaster = Math.log(level.completedPerSecond / knee.perSecond) > fasterConfidence * level.error;
  if (!isFaster && !hasFallen && nowMs < now.untilMs) return now;
  const replicas = Math.ceil(knee.heldReplicas * stepUpShare);
  return { phase: 'stepUp', replicas, sinceMs: nowMs, reachedMs: undefined, from: level, knee };
}

function stepUp(now: In<'stepUp'>, source: SourceSignals, situation: Situation): Experiment {
  const { nowMs } = situation;
  if (nowMs - now.sinceMs > longestPhaseMs) return released(nowMs);
  const reachedMs = reached(now, situation);
  const level = reachedMs === undefined ? undefined : settledLevel(source, reachedMs);
  if (level === undefined) return { ...now, reachedMs };
  if (!isSaturated(level, now.from)) return released(nowMs);
  const rounds = now.knee.rounds + 1;
  const untilMs = nowMs + Math.min(longestMs, verdictMs * 2 ** (rounds - 1));
  const perSecond = Math.max(level.completedPerSecond, now.from.completedPerSecond);
  const knee = { ...now.knee, perSecond, rounds, arrivalsPerSecond: rateOf(source) };
  return { phase: 'saturated', knee, sinceMs: nowMs, untilMs };
}

function reached(
  { replicas, reachedMs }: In<'stepDown' | 'stepUp'>,
  { workload, nowMs, current }: Situation,
): number | undefined {
  const isThere = current === replicas && workload.ready === replicas && workload.terminating === 0;
  return reachedMs ?? (isThere ? nowMs : undefined);
}

function settledLevel({ batches }: SourceSignals, sinceMs: number): Level | undefined {
  const since = batches.filter(({ fromMs }) => fromMs >= sinceMs);
  const slowest = since.reduce((most, { serviceMs }) => Math.max(most, serviceMs), 0);
  return levelOf(since.filter(({ fromMs }) => fromMs >= sinceMs + settleTimes * slowest));
}

function cleared(clearances: number, nowMs: number): Experiment {
  const untilMs = nowMs + Math.min(longestMs, clearanceMs * 2 ** clearances);
  return { phase: 'quiet', untilMs, clearances: clearances + 1 };
}

/** A clearance outlives an empty queue; everything else is over. */
const forget = (experiment: Experiment, nowMs: number): Experiment =>
  experiment.phase === 'quiet' ? experiment : released(nowMs);

/** What was measured before counts no more. */
const released = (nowMs: number): Experiment => ({ phase: 'quiet', untilMs: nowMs, clearances: 0 });

const stepBelow = (replicas: number): number => Math.floor(replicas * stepDownShare);

function steadyForMs({ memory, nowMs }: Situation): number {
  return nowMs - (memory.scaleEvents.at(-1)?.atMs ?? memory.sinceMs);
}

/** The source that asks for most replicas; undefined when no source counts. */
function busiestSource({ signals, demand }: Situation): SourceSignals | undefined {
  let [busiest, most]: [SourceSignals | undefined, number] = [undefined, -1];
  for (const [index, needed] of demand.sources.entries()) {
    const wanted = needed === undefined ? -1 : needed.arrivals + needed.backlog;
    if (wanted > most) [busiest, most] = [signals.sources[index], wanted];
  }
  return busiest;
}

function isOtherRevision({ workload, memory }: Situation): boolean {
  return workload.revision !== undefined && workload.revision !== (memory.revision ?? workload.revision);
}

const isEmpty = ({ pendingMessages }: SourceSignals): boolean =>
  pendingMessages.kind === 'known' && pendingMessages.value === 0;

const rateOf = ({ arrivalsPerSecond }: SourceSignals): number =>
  arrivalsPerSecond.kind === 'known' ? arrivalsPerSecond.value : 0;
