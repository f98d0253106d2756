import { msToSeconds } from '#common/units.ts';
import type { SourceSignals } from '../../measure/signals.ts';
import { sourceName } from '../freshness.ts';
import type { Situation } from '../situation.ts';
import { ok, useless } from './guard.ts';
import type { Guard, Verdict } from './guard.ts';

const patienceMs = 300_000;
const patienceAckWaits = 5;
/** So many others were completed meanwhile: it is the message, not the workers. */
const manyCompleted = 100;
/** More than this many redelivered at once is a retry storm. */
const fewRedelivered = 10;
/** A job that waited a little before it ran is still one long run. */
const runningShare = 0.8;

/** A message that is tried again and again while all others pass. It takes no replicas away, and asks for none. */
export const poisonGuard: Guard = { name: 'poison', check };

function check(situation: Situation): Verdict {
  for (const [index, source] of situation.signals.sources.entries()) {
    const { oldest } = source;
    if (oldest === undefined || !isPoisoned(source, situation.nowMs)) continue;
    const minutes = (msToSeconds(situation.nowMs - oldest.sinceMs) / 60).toFixed(0);
    return useless(
      'PoisonMessages',
      Infinity,
      `message ${oldest.streamSeq} of ${sourceName(situation, index)} has not been resolved in ${minutes} min, ` +
        `while ${oldest.completedSince.toFixed(0)} others were: give it up, or limit max_deliver`,
    );
  }
  return ok;
}

function isPoisoned(source: SourceSignals, nowMs: number): boolean {
  const { oldest, redeliveredMessages, ackWaitMs } = source;
  if (oldest === undefined || redeliveredMessages.kind === 'unknown') return false;
  const waitMs = ackWaitMs.kind === 'known' ? ackWaitMs.value : 0;
  return (
    !mayStillRun(source, nowMs - oldest.sinceMs) &&
    redeliveredMessages.value > 0 &&
    redeliveredMessages.value <= fewRedelivered &&
    oldest.completedSince >= manyCompleted &&
    nowMs - oldest.sinceMs >= Math.max(patienceMs, patienceAckWaits * waitMs)
  );
}

/** Some job has run for about as long as the oldest message is unresolved: then that message may be it. */
function mayStillRun({ oldestRunningMs }: SourceSignals, unresolvedMs: number): boolean {
  return oldestRunningMs.kind === 'known' && oldestRunningMs.value >= runningShare * unresolvedMs;
}
