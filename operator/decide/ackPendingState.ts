import type { AckPendingChange } from './decision.ts';

/** One source's limit, as far as it was managed. */
export type Managed = {
  /** What was written last; a reading from before the write says nothing about it. */
  readonly written: { readonly limit: number; readonly atMs: number } | undefined;
  /** Since when a clearly lower limit would do. */
  readonly lowerSinceMs: number | undefined;
  /** Why the last write failed, and when to try again. */
  readonly refusal: Refusal | undefined;
};
type Refusal = {
  readonly reason: 'WriteForbidden' | 'WriteFailed';
  readonly message: string;
  readonly untilMs: number;
};

export type AckPendingMemory = readonly (Managed | undefined)[];
/** What became of a change. */
export type AckPendingOutcome = AckPendingChange &
  (
    | { readonly kind: 'written' }
    | { readonly kind: 'conflict' }
    | ({ readonly kind: 'failed' } & Omit<Refusal, 'untilMs'>)
  );

export const noAckPending: AckPendingMemory = [];

const retryMs = 60_000;

export const unmanaged: Managed = { written: undefined, lowerSinceMs: undefined, refusal: undefined };

/** Notes what became of the changes of a decision. */
export function recordAckPending(
  memory: AckPendingMemory,
  outcomes: readonly AckPendingOutcome[],
  atMs: number,
): AckPendingMemory {
  const next = [...memory];
  for (const outcome of outcomes) {
    const before = next[outcome.source] ?? unmanaged;
    if (outcome.kind === 'written') {
      next[outcome.source] = { ...unmanaged, written: { limit: outcome.to, atMs } };
    } else if (outcome.kind === 'failed') {
      const { reason, message } = outcome;
      next[outcome.source] = { ...before, refusal: { reason, message, untilMs: atMs + retryMs } };
    }
  }
  return next;
}
