import { msToSeconds } from '#common/units.ts';
import type { SourceSignals } from '../../measure/signals.ts';
import type { Situation } from '../situation.ts';
import type { Guard, Verdict } from './guard.ts';
import { judgeSources } from './perSource.ts';

/** Longer than a worker takes to ask again after a lost connection. */
const patienceMs = 10_000;
/** With more slots in use than this share, workers are busy with long jobs rather than idle. */
const busyShare = 0.5;

/** Messages wait and the replicas there are get none of them, so others would get none either. */
export const idleWorkersGuard: Guard = { name: 'idleWorkers', check };

function check(situation: Situation): Verdict {
  return judgeSources(situation, 'WorkersIdle', (source, wanted) => {
    const cause = whyIdle(source, situation);
    if (cause === undefined) return { useful: wanted };
    return { useful: 0, message: (name) => `messages wait in ${name}, but ${cause}` };
  });
}

function whyIdle(source: SourceSignals, { workload, nowMs }: Situation): string | undefined {
  const { pendingMessages, runningJobs, openPulls, stalledSinceMs, capacity } = source;
  if (pendingMessages.kind === 'unknown' || pendingMessages.value === 0) return undefined;
  if (source.paused) return 'the consumer is paused: resume it, or wait until its pause ends';
  if (stalledSinceMs === undefined || nowMs - stalledSinceMs < patienceMs || isAckPendingUsedUp(source)) {
    return undefined;
  }
  const openSlots = workload.ready * capacity.slots;
  if (runningJobs.kind === 'unknown' || runningJobs.value > busyShare * openSlots) return undefined;
  const seconds = msToSeconds(nowMs - stalledSinceMs).toFixed(0);
  return openPulls.kind === 'known' && openPulls.value === 0
    ? `no worker has asked for any in ${seconds} s: see whether they reach this consumer`
    : `the server has given out none in ${seconds} s although workers ask: see which of them it prefers`;
}

/** That has a guard of its own. */
function isAckPendingUsedUp({ maxAckPending, ackPendingMessages }: SourceSignals): boolean {
  return (
    maxAckPending.kind === 'known' &&
    maxAckPending.value !== 'unlimited' &&
    ackPendingMessages.kind === 'known' &&
    ackPendingMessages.value >= maxAckPending.value
  );
}
