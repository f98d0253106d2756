import type { Batch } from './batches.ts';

/**
 * The quantities a decision is made of, with units. docs/signals.md says where each comes from and when it is
 * unknown. Every number here is finite and not negative; unknown is a value of its own, never 0.
 */
export type Signals = {
  /** Monotonic time of the pass, milliseconds. */
  readonly atMs: number;
  /** In the order of the policy's sources. */
  readonly sources: readonly SourceSignals[];
  readonly workload: WorkloadSignals;
  /** Time from a new replica to its first job, milliseconds: the longest among the replicas seen last. */
  readonly startMs: Known;
  /** Share of the open slots that ran a job lately, 0 to 1. */
  readonly utilization: Known;
  /** How many of the jobs of the last hour began in time. */
  readonly serviceLevel: Known<ServiceLevel>;
};

export type ServiceLevel = {
  readonly withinSeconds: number;
  /** Share of the jobs that should begin within that time, 0 to 1. */
  readonly objectiveShare: number;
  readonly jobs: number;
  /** Share of them that did, 0 to 1. */
  readonly withinShare: number;
  /** Share of the jobs that may be late, as far as it is not used up, 0 to 1. */
  readonly budgetLeft: number;
  /** `estimate`: at least some waits were not reported by workers. */
  readonly basis: 'heartbeats' | 'estimate';
};

/** A figure with the monotonic time of the facts behind it, which may be older than the pass. */
export type Known<T = number> =
  | { readonly kind: 'known'; readonly value: T; readonly atMs: number }
  | { readonly kind: 'unknown'; readonly reason: string };

export type SourceSignals = {
  /** Whether the consumer answered in this pass with something new. */
  readonly presence: Presence;
  /** Messages never delivered. */
  readonly pendingMessages: Known;
  /** Messages delivered and not resolved. */
  readonly ackPendingMessages: Known;
  /** Unresolved messages: pending + ack-pending. */
  readonly backlogMessages: Known;
  /** The part of the backlog that waits for a free slot: what more replicas could start at once. */
  readonly queuedMessages: Known;
  /** Jobs in slots. Without heartbeats the most that the replicas, leaving ones included, could run. */
  readonly runningJobs: Known;
  /** The longest time that a job has been running, milliseconds, as the workers tell. */
  readonly oldestRunningMs: Known;
  /** Mean over the short window. */
  readonly arrivalsPerSecond: Known;
  /** The rate to be ready for: what the few arrivals that were counted allow for, over several windows. */
  readonly plannedArrivalsPerSecond: Known;
  /** Mean over the long window. */
  readonly arrivalsLongPerSecond: Known;
  /** Mean over the short window: messages that left the backlog, for whatever reason. */
  readonly completionsPerSecond: Known;
  /** Both over the brief window: how the backlog moves right now. */
  readonly arrivalsBriefPerSecond: Known;
  readonly completionsBriefPerSecond: Known;
  readonly capacity: Capacity;
  /** What happens to a stream that grows on and on. */
  readonly overflow: Known<Overflow>;
  readonly maxAckPending: Known<number | 'unlimited'>;
  /** See `ConsumerFacts.owner`. */
  readonly owner?: string;
  readonly paused: boolean;
  /** Requests for messages that wait at the server. */
  readonly openPulls: Known;
  readonly ackWaitMs: Known;
  /** Messages now tracked with more than one delivery. */
  readonly redeliveredMessages: Known;
  /** Attempts, failed ones included, per job that succeeded; 1 or more. */
  readonly attemptsPerSuccess: Known;
  /** Share of the deliveries that were not the message's first, 0 to 1. */
  readonly repeatedShare: Known;
  /** Mean run time of the jobs that succeeded, milliseconds. */
  readonly successMs: Known;
  /** Squared coefficient of variation of the run times: 1 for exponential, 0 for constant ones. */
  readonly serviceVariability: Known;
  /** 95th percentile of the run times, as if they were normally distributed, milliseconds. */
  readonly serviceP95Ms: Known;
  /** Portions of the work done under a backlog in the last minutes, oldest first. */
  readonly batches: readonly Batch[];
  /** Since when messages wait and none is delivered, although replicas are ready; undefined while that is not so. */
  readonly stalledSinceMs: number | undefined;
  /** The oldest message that was delivered and is not resolved; undefined while there is none. */
  readonly oldest: OldestUnresolved | undefined;
  /** Since when there has been something unresolved without a break; undefined while there is nothing. */
  readonly unresolvedSinceMs: number | undefined;
  /** When work was last seen; the first look counts, so that a restart does not shorten an idle time. */
  readonly lastWorkMs: Known;
};

/**
 * `unbounded`: it fills the disk. `dropsOldest`: at its limit jobs are lost unworked. `refusesNew`: at its limit
 * producers get an error.
 */
export type Overflow = 'unbounded' | 'dropsOldest' | 'refusesNew';

/** The message that the ack floor waits for. */
export type OldestUnresolved = {
  readonly streamSeq: number;
  /** Since when it has been the same one. */
  readonly sinceMs: number;
  /** Messages resolved since then. */
  readonly completedSince: number;
};

export type Presence =
  | { readonly kind: 'seen' }
  | { readonly kind: 'absent'; readonly message: string }
  | { readonly kind: 'unseen'; readonly message: string };

export type Capacity = {
  /** Jobs per second that one replica completes when it never waits for work; above 0. */
  readonly jobsPerSecond: number;
  /** Jobs that one replica runs at once; above 0. */
  readonly slots: number;
  /** Mean time a job occupies a slot, milliseconds. */
  readonly serviceMs: Known;
  /**
   * `heartbeats`: reported by the workers. `throughput`: completions per ready replica while there was a backlog.
   * `lowerBound`: replicas have completed this much, and could more. `prior`: the policy's assumption.
   */
  readonly basis: 'heartbeats' | 'throughput' | 'lowerBound' | 'prior';
};

export type WorkloadSignals =
  | { readonly kind: 'absent'; readonly message: string }
  | { readonly kind: 'unseen'; readonly message: string }
  | {
      readonly kind: 'seen';
      /** Replicas asked for last. */
      readonly desired: number;
      readonly ready: number;
      readonly starting: number;
      readonly terminating: number;
      readonly failing: number;
      readonly unschedulable: number;
      /** Of the replica that came last and is to stay; undefined where that is not told. */
      readonly revision: string | undefined;
      /** Since when at least one replica has been failing or unschedulable without a break. */
      readonly troubleSinceMs: number | undefined;
      /** What the first failing or unschedulable replica says. */
      readonly troubleMessage: string | undefined;
    };

export const known = <T>(value: T, atMs: number): Known<T> => ({ kind: 'known', value, atMs });
export const unknown = (reason: string): Known<never> => ({ kind: 'unknown', reason });
