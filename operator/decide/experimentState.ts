import type { Level } from './batchMeans.ts';

/**
 * Finds out whether more replicas help. Run times that grow with the replicas are a suspicion, and growth stops. Then
 * replicas are taken away by a third: if the others get faster in return, nothing was lost, and something behind them
 * is at its limit. This goes on until a step loses, which tells how many replicas are of use.
 *
 *     quiet ──suspicion──► suspect ──measured──► stepDown ──faster──► stepDown (again, lower)
 *       ▲                     │                     │ as slow
 *       │◄──── not certain ───┘◄──── first step ────┤
 *       │                                           ▼ a later step
 *       │◄──── more completed ──── stepUp ◄──── saturated (the verdict; it expires)
 *       │                             └─ no more ──────►┘ (held twice as long)
 *       └◄── no messages wait, consumer gone, another revision of the workers: from everywhere
 *
 * After a restart, `recalled` becomes `saturated` at the replicas there are, for a short time.
 */
export type Experiment =
  | { readonly phase: 'recalled'; readonly perSecond: number }
  | { readonly phase: 'quiet'; readonly untilMs: number; readonly clearances: number }
  | {
      readonly phase: 'suspect';
      readonly replicas: number;
      readonly sinceMs: number;
      readonly clearances: number;
    }
  | {
      readonly phase: 'stepDown';
      readonly replicas: number;
      readonly sinceMs: number;
      /** When the replicas were seen to be as many as asked for; undefined until then. */
      readonly reachedMs: number | undefined;
      /** What was measured on the way, highest first; never empty. */
      readonly levels: readonly [Level, ...Level[]];
      readonly clearances: number;
    }
  | { readonly phase: 'saturated'; readonly knee: Knee; readonly sinceMs: number; readonly untilMs: number }
  | {
      readonly phase: 'stepUp';
      readonly replicas: number;
      readonly sinceMs: number;
      readonly reachedMs: number | undefined;
      readonly from: Level;
      readonly knee: Knee;
    };

/** Where more replicas stop being of use. */
export type Knee = {
  /** Jobs per second that are completed, however many the replicas. */
  readonly perSecond: number;
  readonly usefulReplicas: number;
  /** A few more than useful, so that it shows when the limit is gone. */
  readonly heldReplicas: number;
  readonly arrivalsPerSecond: number;
  /** How often it was found in a row. */
  readonly rounds: number;
};

export const noExperiment: Experiment = { phase: 'quiet', untilMs: -Infinity, clearances: 0 };
