import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import type { Diagnosis, LimitReason, Remedy } from '../decision.ts';
import { limit } from '../proposal.ts';
import type { Rule } from '../proposal.ts';
import type { Situation } from '../situation.ts';

/** Finds out whether more replicas would be of no use. */
export type Guard = {
  readonly name: keyof WorkerPoolSpec['guards'];
  readonly check: (situation: Situation) => Verdict;
};

export type Verdict = { readonly kind: 'ok' } | Useless;

type Useless = {
  readonly kind: 'useless';
  readonly reason: LimitReason;
  readonly condition: Pick<Diagnosis, 'type' | 'status'>;
  /** More replicas than this would not help. */
  readonly usefulReplicas: number;
  readonly message: string;
  readonly remedies: readonly Remedy[];
  /** When it is tried anew by itself whether more would help, monotonic milliseconds. */
  readonly untilMs?: number;
};

/** A finding of a guard that is not disabled. */
export type Objection = { readonly finding: Useless; readonly isEnforced: boolean };

export const ok: Verdict = { kind: 'ok' };

/** A verdict without doubt, whose condition has the name of the reason. */
export const useless = (
  reason: LimitReason & Diagnosis['type'],
  usefulReplicas: number,
  message: string,
  remedies: readonly Remedy[] = [],
): Verdict => ({
  kind: 'useless',
  reason,
  condition: { type: reason, status: 'True' },
  usefulReplicas,
  message,
  remedies,
});

/** Asks each guard once: what it finds both limits the replicas and is reported. */
export function objections(guards: readonly Guard[], situation: Situation): readonly Objection[] {
  const { guards: modes } = situation.spec;
  return guards.flatMap(({ name, check }) => {
    if (modes[name] === 'Disabled') return [];
    const finding = check(situation);
    return finding.kind === 'ok' ? [] : [{ finding, isEnforced: modes[name] === 'Enforce' }];
  });
}

/** A guard only ever limits an increase: never below the current replicas, and never the way out of zero. */
export function enforce({ finding, isEnforced }: Objection): Rule {
  return (proposal, { current }) => {
    if (!isEnforced || current === 0 || proposal.replicas <= current) return proposal;
    const replicas = Math.min(proposal.replicas, Math.max(current, finding.usefulReplicas));
    const { reason, message, untilMs } = finding;
    return limit(proposal, { reason, replicas, message, ...(untilMs !== undefined && { untilMs }) });
  };
}
