import { emptyBatches } from './batches.ts';
import type { Batches } from './batches.ts';
import type { Reading } from './continuity.ts';
import { emptyThroughput } from './capacity.ts';
import type { Throughput } from './capacity.ts';
import { emptyFleet } from './fleet.ts';
import type { Fleet } from './fleet.ts';
import type { Sample } from './rates.ts';
import { emptyWaits } from './serviceLevel.ts';
import type { Waits } from './serviceLevel.ts';
import type { OldestUnresolved } from './signals.ts';

/** What must be remembered between passes to turn facts into rates. Plain data of bounded size. */
export type History = {
  readonly atMs: number | undefined;
  readonly sources: readonly SourceHistory[];
  readonly startMs: number | undefined;
  readonly readyReplicas: number;
  /** Since when the same number of replicas has been ready with none leaving. */
  readonly steadySinceMs: number | undefined;
  readonly troubleSinceMs: number | undefined;
};

export type SourceHistory = {
  readonly reading: Reading | undefined;
  readonly samples: readonly Sample[];
  readonly unresolvedSinceMs: number | undefined;
  readonly lastWorkMs: number | undefined;
  readonly fleet: Fleet;
  readonly throughput: Throughput;
  readonly batches: Batches;
  /** Since when messages have been pending without any being delivered, with replicas ready all the time. */
  readonly stalledSinceMs: number | undefined;
  readonly oldest: OldestUnresolved | undefined;
  readonly waits: Waits;
};

export const emptyHistory: History = {
  atMs: undefined,
  sources: [],
  startMs: undefined,
  readyReplicas: 0,
  steadySinceMs: undefined,
  troubleSinceMs: undefined,
};

export const emptySourceHistory: SourceHistory = {
  reading: undefined,
  samples: [],
  unresolvedSinceMs: undefined,
  lastWorkMs: undefined,
  fleet: emptyFleet,
  throughput: emptyThroughput,
  batches: emptyBatches,
  stalledSinceMs: undefined,
  oldest: undefined,
  waits: emptyWaits,
};
