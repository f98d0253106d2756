import { msToSeconds, secondsToMs } from '#common/units.ts';
import type { Limit } from './decision.ts';
import { limit } from './proposal.ts';
import type { Rule } from './proposal.ts';
import type { Situation } from './situation.ts';

/** What is not seen may hold work: without every source in sight, replicas may be added but not taken away. */
export const missingData: Rule = (proposal, situation) => {
  const { current } = situation;
  if (proposal.replicas >= current) return proposal;
  const missing = whatIsUnknown(situation) ?? missedLook(situation);
  return missing === undefined ? proposal : limit(proposal, { ...missing, replicas: current });
};

/** A floor for when nothing has been measured for long; it only raises. */
export const fallback: Rule = (proposal, { spec, signals, sightings, memory, nowMs }) => {
  const { fallback: floor } = spec;
  if (floor === undefined || proposal.replicas >= floor.replicas || !sightings.includes('lost')) {
    return proposal;
  }
  let measuredMs = memory.sinceMs;
  for (const { backlogMessages } of signals.sources) {
    if (backlogMessages.kind === 'known') measuredMs = Math.max(measuredMs, backlogMessages.atMs);
  }
  if (nowMs - measuredMs < secondsToMs(floor.afterSeconds)) return proposal;
  return { ...proposal, replicas: floor.replicas, isFallback: true };
};

type Missing = Pick<Limit, 'reason' | 'message'>;

/** The first reason why the demand is only a lower bound; undefined when all of it is known. */
export function whatIsUnknown(situation: Situation): Missing | undefined {
  const { sightings } = situation;
  const absent = sightings.indexOf('absent');
  if (absent !== -1) {
    return { reason: 'ConsumerMissing', message: `${sourceName(situation, absent)} does not exist` };
  }
  const lost = sightings.indexOf('lost');
  if (lost !== -1) return { reason: 'SourceUnavailable', message: unseenFor(situation, lost) };
  const unmeasured = situation.signals.sources.findIndex(
    ({ plannedArrivalsPerSecond }) => plannedArrivalsPerSecond.kind === 'unknown',
  );
  if (unmeasured === -1) return undefined;
  return {
    reason: 'Measuring',
    message: `arrivals at ${sourceName(situation, unmeasured)} are not measured yet`,
  };
}

/** A source whose figures still count, although this pass did not see it. */
function missedLook(situation: Situation): Missing | undefined {
  const missed = situation.sightings.indexOf('recent');
  if (missed === -1) return undefined;
  return { reason: 'SourceUnavailable', message: unseenFor(situation, missed) };
}

export function sourceName({ spec }: Pick<Situation, 'spec'>, index: number): string {
  const source = spec.sources[index];
  return source === undefined ? `source ${index}` : `consumer ${source.consumer} of stream ${source.stream}`;
}

export function unseenFor(situation: Situation, index: number): string {
  const source = situation.signals.sources[index];
  const connection = situation.spec.sources[index]?.connection ?? '';
  const name = `${sourceName(situation, index)} (connection ${connection})`;
  const cause = source?.presence.kind === 'unseen' ? `: ${source.presence.message}` : '';
  if (source?.backlogMessages.kind !== 'known') return `${name} has not been seen yet${cause}`;
  const seconds = msToSeconds(situation.nowMs - source.backlogMessages.atMs);
  return `${name} was last seen ${seconds.toFixed(0)} s ago${cause}`;
}
