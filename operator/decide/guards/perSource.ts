import type { SourceSignals } from '../../measure/signals.ts';
import type { Diagnosis, LimitReason, Remedy } from '../decision.ts';
import { wholeReplicas } from '../demand.ts';
import { sourceName } from '../freshness.ts';
import type { Situation } from '../situation.ts';
import { ok, useless } from './guard.ts';
import type { Verdict } from './guard.ts';

/** What a guard finds about one source. */
export type Finding = {
  /** Replicas that are of use for it, as a fraction: they are added over the sources before rounding. */
  readonly useful: number;
  /** What is wrong, if anything is, given the name of the source and the useful replicas over all sources. */
  readonly message?: (source: string, usefulReplicas: number) => string;
  readonly remedy?: Remedy | undefined;
};

/**
 * Judges each source that counts, and adds up what is of use. The first one with something wrong gives the message.
 *
 * @param judge gets a source and the replicas that it wants, as a fraction.
 */
export function judgeSources(
  situation: Situation,
  reason: LimitReason & Diagnosis['type'],
  judge: (source: SourceSignals, wanted: number) => Finding,
): Verdict {
  const { demand, signals } = situation;
  let useful = 0;
  let wrong: { readonly index: number; readonly message: NonNullable<Finding['message']> } | undefined;
  const remedies: Remedy[] = [];
  for (const [index, source] of signals.sources.entries()) {
    const needed = demand.sources[index];
    if (needed === undefined) continue;
    const finding = judge(source, needed.arrivals + needed.backlog);
    useful += finding.useful;
    if (finding.message !== undefined) wrong ??= { index, message: finding.message };
    if (finding.remedy !== undefined) remedies.push(finding.remedy);
  }
  if (wrong === undefined) return ok;
  const replicas = wholeReplicas(useful);
  return useless(reason, replicas, wrong.message(sourceName(situation, wrong.index), replicas), remedies);
}
