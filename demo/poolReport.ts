import type { PassReport } from '../operator/report/passReport.ts';

/** What the demo shows and counts of a pass over its pool, whoever tells it. */
export type PoolReport = {
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly replicas: PassReport['replicas'];
  readonly signals: Pick<PassReport['signals'], 'backlogMessages' | 'utilization'>;
  readonly decision: Pick<PassReport['decision'], 'reason' | 'message'>;
  /** Null when nothing was to be written. */
  readonly outcome: { readonly kind: 'scaled' | 'conflict' | 'failed' } | null;
};
