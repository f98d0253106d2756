import type { Situation } from '../situation.ts';
import type { Guard, Verdict } from './guard.ts';
import { judgeSources } from './perSource.ts';

/** One attempt in three fails. */
const manyAttemptsPerSuccess = 1.5;
/** However many fail, the load of first attempts is taken for no less than this share of what is seen. */
const smallestShare = 0.5;

/** Attempts that fail keep slots busy. More replicas would fail more, so the size is that of jobs which succeed. */
export const retriesGuard: Guard = { name: 'retries', check };

function check(situation: Situation): Verdict {
  return judgeSources(situation, 'RetryAmplified', (source, wanted) => {
    const { attemptsPerSuccess, successMs, capacity } = source;
    if (attemptsPerSuccess.kind === 'unknown' || attemptsPerSuccess.value < manyAttemptsPerSuccess) {
      return { useful: wanted };
    }
    const share =
      successMs.kind === 'known' && capacity.serviceMs.kind === 'known'
        ? Math.min(1, Math.max(smallestShare, successMs.value / capacity.serviceMs.value))
        : 1;
    return {
      useful: wanted * share,
      message: (name, replicas) =>
        `${name} takes ${attemptsPerSuccess.value.toFixed(1)} attempts per job that ` +
        `succeeds; without the failures ${replicas} replicas would do: look at the errors of the jobs`,
      remedy: { change: 'attemptsPerSuccess', to: manyAttemptsPerSuccess },
    };
  });
}
