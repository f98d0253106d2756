import { wholeReplicas } from '../demand.ts';
import { sourceName } from '../freshness.ts';
import type { Situation } from '../situation.ts';
import { ok, useless } from './guard.ts';
import type { Guard, Verdict } from './guard.ts';

/** One attempt in three fails. */
const manyAttemptsPerSuccess = 1.5;
/** However many fail, the load of first attempts is taken for no less than this share of what is seen. */
const smallestShare = 0.5;

/** Attempts that fail keep slots busy. More replicas would fail more, so the size is that of jobs which succeed. */
export const retriesGuard: Guard = { name: 'retries', check };

function check(situation: Situation): Verdict {
  const { demand, signals } = situation;
  let useful = 0;
  let amplified: { readonly index: number; readonly attempts: number } | undefined;
  for (const [index, source] of signals.sources.entries()) {
    const needed = demand.sources[index];
    if (needed === undefined) continue;
    const { attemptsPerSuccess, successMs, capacity } = source;
    const isAmplified =
      attemptsPerSuccess.kind === 'known' && attemptsPerSuccess.value >= manyAttemptsPerSuccess;
    if (isAmplified) amplified ??= { index, attempts: attemptsPerSuccess.value };
    const share =
      isAmplified && successMs.kind === 'known' && capacity.serviceMs.kind === 'known'
        ? Math.min(1, Math.max(smallestShare, successMs.value / capacity.serviceMs.value))
        : 1;
    useful += (needed.arrivals + needed.backlog) * share;
  }
  if (amplified === undefined) return ok;
  const replicas = wholeReplicas(useful);
  return useless(
    'RetryAmplified',
    replicas,
    `${sourceName(situation, amplified.index)} takes ${amplified.attempts.toFixed(1)} attempts per job that ` +
      `succeeds; without the failures ${replicas} replicas would do: look at the errors of the jobs`,
  );
}
