import { msToSeconds } from '#common/units.ts';
import type { SourceSignals } from '../../measure/signals.ts';
import type { Situation } from '../situation.ts';
import type { Guard, Verdict } from './guard.ts';
import { judgeSources } from './perSource.ts';

/** Fewer repeated deliveries than this share are what restarts and lost connections cause. */
const manyRepeats = 0.05;
/** What ack_wait should be over the 95th percentile of the run times. */
const margin = 2;

/** Jobs that outlast ack_wait are given to a second worker while the first still runs them. */
export const ackWaitGuard: Guard = { name: 'ackWait', check };

function check(situation: Situation): Verdict {
  return judgeSources(situation, 'AckWaitTooShort', (source, wanted) => {
    const repeated = outlasting(source);
    if (repeated === undefined) return { useful: wanted };
    return {
      useful: wanted * (1 - repeated.share),
      message: (name) => `${name} ${repeated.message}`,
      remedy: { change: 'ackWaitSeconds', to: repeated.neededSeconds },
    };
  });
}

function outlasting({
  ackWaitMs,
  serviceP95Ms,
  repeatedShare,
}: SourceSignals):
  { readonly share: number; readonly neededSeconds: number; readonly message: string } | undefined {
  if (ackWaitMs.kind === 'unknown' || serviceP95Ms.kind === 'unknown' || repeatedShare.kind === 'unknown') {
    return undefined;
  }
  if (serviceP95Ms.value < ackWaitMs.value || repeatedShare.value < manyRepeats) return undefined;
  const seconds = (ms: number): string => msToSeconds(ms).toFixed(1);
  const neededSeconds = Math.ceil(msToSeconds(margin * serviceP95Ms.value));
  const message =
    `redelivers after ${seconds(ackWaitMs.value)} s what runs up to ${seconds(serviceP95Ms.value)} s, so ` +
    `${(100 * repeatedShare.value).toFixed(0)} % of the deliveries are repeats: ` +
    `set ack_wait to ${neededSeconds} s`;
  return { share: repeatedShare.value, neededSeconds, message };
}
