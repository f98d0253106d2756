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

export type Verdict =
  | { readonly kind: 'ok' }
  | {
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

/** A guard only ever limits an increase: never below the current replicas, and never the way out of zero. */
export function enforce(guard: Guard): Rule {
  return (proposal, situation) => {
    const { current, spec } = situation;
    if (spec.guards[guard.name] !== 'Enforce' || current === 0 || proposal.replicas <= current)
      return proposal;
    const verdict = guard.check(situation);
    if (verdict.kind === 'ok') return proposal;
    const replicas = Math.min(proposal.replicas, Math.max(current, verdict.usefulReplicas));
    const { reason, message, untilMs } = verdict;
    return limit(proposal, { reason, replicas, message, ...(untilMs !== undefined && { untilMs }) });
  };
}
