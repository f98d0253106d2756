/** What one pass concludes about one pool. A hold has a reason too. */
export type Decision = Hold | Scale;

type Hold = Conclusion & {
  readonly kind: 'hold';
  /** Undefined when the workload could not be seen. */
  readonly from: number | undefined;
  readonly to: number | undefined;
};

type Scale = Conclusion & {
  readonly kind: 'scale';
  readonly from: number;
  readonly to: number;
};

type Conclusion = {
  /** What the demand alone asks for, before every limit; undefined while any part of the demand is not known. */
  readonly recommended: number | undefined;
  readonly reason: Reason;
  /** One sentence for a person, with figures. */
  readonly message: string;
  /** The rules that changed the answer, in their order. */
  readonly limitedBy: readonly Limit[];
  /** Changes of max_ack_pending that are to be written, before the replicas. */
  readonly ackPending: readonly AckPendingChange[];
  /** Standing facts about the pool, in the form of conditions. */
  readonly diagnosis: readonly Diagnosis[];
  readonly evidence: Evidence;
  /** The reason why what other pools feed it with piles up; undefined while it can take more. */
  readonly stuck: string | undefined;
  /** Decide again at the latest after this time, milliseconds, also when nothing was observed to change. */
  readonly nextCheckMs: number;
};

/** Why it scaled, or why it did not. These words are stable: alerts and scripts match on them. */
type Reason = ScaleReason | HoldReason | LimitReason;

export type ScaleReason =
  | 'ArrivalsGrew'
  | 'BacklogGrew'
  | 'DemandFell'
  | 'WokeFromZero'
  | 'IdleToZero'
  | 'BelowMinimum'
  /** A schedule asks for more. */
  | 'ScheduleStarted'
  | 'AboveMaximum'
  | 'Fallback'
  /** Fewer replicas are tried, to see whether they complete as much. */
  | 'DownstreamTest';

export type HoldReason =
  /** The replicas are what the demand asks for. */
  | 'Balanced'
  | 'Paused'
  /** The workload does not exist. */
  | 'TargetMissing'
  /** The workload could not be seen. */
  | 'TargetUnavailable'
  /** Somebody set the replicas to 0: off, until somebody raises them. */
  | 'TurnedOff';

export type LimitReason =
  | 'SourceUnavailable'
  | 'ConsumerMissing'
  /** Not everything is measured yet; only growing is safe. */
  | 'Measuring'
  /** Somebody else has changed the replicas a moment ago. */
  | 'Contested'
  /** Jobs run slower the more replicas there are: none is added while that is tested. */
  | 'DownstreamSuspected'
  /** Something behind the replicas is at its limit. */
  | 'DownstreamSaturated'
  /** Fewer replicas are tried, to see whether they complete as much. */
  | 'DownstreamTest'
  /** Failing attempts keep the slots busy. */
  | 'RetryAmplified'
  /** Messages wait, and the replicas there are get none. */
  | 'WorkersIdle'
  /** Jobs outlast ack_wait and are run twice. */
  | 'AckWaitTooShort'
  /** One message fails again and again. */
  | 'PoisonMessages'
  | 'AckPendingLimited'
  /** A pool that this one feeds cannot take more. */
  | 'StageBlocked'
  | 'ReplicasFailing'
  | 'Unschedulable'
  /** Every replica still has a job to run. */
  | 'DrainingBacklog'
  /** Fewer replicas would do, but so barely that they would soon be wanted back. */
  | 'WithinTolerance'
  | 'Stabilized'
  | 'RateLimited'
  | 'MinReplicas'
  /** A schedule asks for no fewer. */
  | 'Scheduled'
  | 'MaxReplicas'
  /** Fewer messages than it takes to wake from zero. */
  | 'BelowActivation'
  /** Work was seen too lately to go to zero, or is not resolved. */
  | 'NotIdle'
  | 'ScaleUpOnly'
  | 'DryRun';

/** One rule that changed the answer. */
export type Limit = {
  readonly reason: LimitReason;
  /** What the rule allowed. */
  readonly replicas: number;
  /** A clause for a person: why. */
  readonly message: string;
  /** Monotonic time at which the rule lets go by itself, if it is a matter of time. */
  readonly untilMs?: number;
};

/** "Set to `to`, if it is still `from`." */
export type AckPendingChange = {
  /** Place of the source in the policy. */
  readonly source: number;
  readonly from: number;
  readonly to: number;
};

/** What would help, with the figure that it takes. */
export type Remedy = {
  readonly change:
    | 'maxReplicas'
    | 'intakePerSecond'
    | 'downstreamPerSecond'
    | 'maxAckPending'
    | 'ackWaitSeconds'
    | 'attemptsPerSuccess'
    | 'roomForReplicas';
  /** At least; for `intakePerSecond` and `attemptsPerSuccess` at most. */
  readonly to: number;
};

export type Diagnosis = {
  readonly type:
    | 'TargetAvailable'
    | 'SourceAvailable'
    | 'Active'
    | 'ScalingLimited'
    | 'ObjectiveReachable'
    | 'DownstreamSaturated'
    | 'RetryAmplified'
    | 'WorkersIdle'
    | 'AckWaitTooShort'
    | 'PoisonMessages'
    | 'AckPendingLimited'
    | 'AckPendingManaged'
    | 'StageBlocked'
    | 'ReplicasFailing'
    | 'Unschedulable';
  readonly status: 'True' | 'False' | 'Unknown';
  /** One stable CamelCase word. */
  readonly reason: string;
  readonly message: string;
  /** What would help, the first of it most likely. */
  readonly remedies?: readonly Remedy[];
  /** Reasons that stand in the way beside `reason`. */
  readonly contributing?: readonly string[];
};

/** The figures that the decision was made of, summed over the sources; null is not known. */
export type Evidence = {
  readonly backlogMessages: number | null;
  readonly queuedMessages: number | null;
  readonly arrivalsPerSecond: number | null;
  /** The rate that was planned for: the upper confidence bound of the arrivals. */
  readonly plannedArrivalsPerSecond: number | null;
  readonly completionsPerSecond: number | null;
  readonly utilization: number | null;
  readonly serviceMs: number | null;
  /** Jobs per second of one replica, for the sources' present mix of arrivals. */
  readonly capacityPerReplica: number | null;
  readonly capacityBasis: 'heartbeats' | 'throughput' | 'lowerBound' | 'prior' | null;
  readonly startMs: number | null;
  readonly readyReplicas: number | null;
  /** Share of the jobs of the last hour that began in time, 0 to 1. */
  readonly withinShare: number | null;
  /** What is left of the share that may be late, 0 to 1. */
  readonly budgetLeft: number | null;
};
