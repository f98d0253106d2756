import type { Outcome } from './compare.ts';

/** What a row of the table means beside the others. */
export type Verdict =
  /** It meets the objective for 95 % of the jobs at the least cost. */
  | { readonly kind: 'cheapest' }
  /** Another waits no longer and costs no more, and is better in one of the two. */
  | { readonly kind: 'beaten'; readonly by: string }
  | { readonly kind: 'late' }
  | { readonly kind: 'fair' };

/** @param objectiveSeconds longest wait that 95 % of the jobs may have. */
export function verdicts(outcomes: readonly Outcome[], objectiveSeconds: number): readonly Verdict[] {
  const isInTime = (outcome: Outcome): boolean => waitOf(outcome) <= objectiveSeconds;
  const contenders = outcomes.filter((outcome) => outcome.kind !== 'oracle' && isInTime(outcome));
  const least = contenders.reduce((cost, { replicaSeconds }) => Math.min(cost, replicaSeconds), Infinity);
  return outcomes.map((outcome) => {
    if (outcome.kind === 'oracle') return { kind: 'fair' };
    if (isInTime(outcome) && outcome.replicaSeconds === least) return { kind: 'cheapest' };
    const better = outcomes.find((other) => other.kind !== 'oracle' && dominates(other, outcome));
    if (better !== undefined) return { kind: 'beaten', by: better.name };
    return { kind: isInTime(outcome) ? 'fair' : 'late' };
  });
}

/** Waits no longer and costs no more, and is better in one of the two. */
export function dominates(one: Outcome, other: Outcome): boolean {
  const wait = waitOf(one) - waitOf(other);
  const cost = one.replicaSeconds - other.replicaSeconds;
  return wait <= 0 && cost <= 0 && (wait < 0 || cost < 0);
}

const waitOf = ({ waitP95Seconds }: Outcome): number => waitP95Seconds ?? 0;

export function verdictText(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'cheapest':
      return 'meets the objective at the least cost';
    case 'beaten':
      return `${verdict.by} waits less for less`;
    case 'late':
      return 'misses the objective';
    case 'fair':
      return '';
  }
}
