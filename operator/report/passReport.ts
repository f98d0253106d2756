/**
 * One line of `penstock local --json`, and what the terminal view, the recorder and the status are made of. A
 * figure that is not known is null, never 0.
 */
export type PassReport = {
  /** ISO 8601, UTC. */
  readonly time: string;
  /** namespace/name */
  readonly pool: string;
  readonly replicas: {
    readonly desired: number | null;
    readonly ready: number | null;
    readonly starting: number | null;
    readonly terminating: number | null;
    readonly failing: number | null;
  };
  readonly signals: {
    /** Messages not yet resolved: pending + ack-pending. */
    readonly backlogMessages: number | null;
    readonly arrivalsPerSecond: number | null;
    readonly completionsPerSecond: number | null;
    /** Share of open slots that run a job, 0 to 1. */
    readonly utilization: number | null;
    readonly serviceSeconds: number | null;
    /** Jobs per second that one replica can complete. */
    readonly capacityPerReplica: number | null;
    readonly startSeconds: number | null;
  };
  readonly decision: {
    readonly kind: 'hold' | 'scale';
    readonly from: number | null;
    readonly to: number | null;
    /** What the demand alone asks for, before limits. */
    readonly recommended: number | null;
    /** One stable word, e.g. `ArrivalsGrew`. */
    readonly reason: string;
    /** One sentence for a person. */
    readonly message: string;
    /** Reasons of the rules that changed the answer, in their order. */
    readonly limitedBy: readonly string[];
  };
  /** What was written: null when nothing was to be written. */
  readonly outcome: { readonly kind: 'scaled' | 'failed'; readonly message: string } | null;
  readonly conditions: readonly {
    readonly type: string;
    readonly status: 'True' | 'False' | 'Unknown';
    readonly reason: string;
    readonly message: string;
  }[];
};
