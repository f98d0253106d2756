import type { Reading } from './continuity.ts';
import { emptyThroughput } from './capacity.ts';
import type { Throughput } from './capacity.ts';
import { emptyFleet } from './fleet.ts';
import type { Fleet } from './fleet.ts';
import type { Sample } from './rates.ts';

/** What must be remembered between passes to turn facts into rates. Plain data of bounded size. */
export type History = {
  readonly atMs: number | undefined;
  readonly sources: readonly SourceHistory[];
  readonly startMs: number | undefined;
  readonly readyReplicas: number;
  readonly troubleSinceMs: number | undefined;
};

export type SourceHistory = {
  readonly reading: Reading | undefined;
  readonly samples: readonly Sample[];
  readonly unresolvedSinceMs: number | undefined;
  readonly lastWorkMs: number | undefined;
  readonly fleet: Fleet;
  readonly throughput: Throughput;
};

export const emptyHistory: History = {
  atMs: undefined,
  sources: [],
  startMs: undefined,
  readyReplicas: 0,
  troubleSinceMs: undefined,
};

export const emptySourceHistory: SourceHistory = {
  reading: undefined,
  samples: [],
  unresolvedSinceMs: undefined,
  lastWorkMs: undefined,
  fleet: emptyFleet,
  throughput: emptyThroughput,
};
