import type { Capacity, Signals, SourceSignals, WorkloadSignals } from '../../operator/measure/signals.ts';
import { known, unknown } from '../../operator/measure/signals.ts';

/** Signals of a pool that was seen a moment ago; the overrides win. */
export function signals(overrides: Partial<Signals> = {}): Signals {
  return {
    atMs: 0,
    sources: [sourceSignals()],
    workload: workloadSignals(),
    startMs: known(1_000, 0),
    utilization: known(0, 0),
    serviceLevel: unknown('no job has been counted yet'),
    ...overrides,
  };
}

/** An idle consumer that is measured in every respect: one slot of one second per replica; the overrides win. */
export function sourceSignals(overrides: Partial<SourceSignals> = {}, atMs = 0): SourceSignals {
  return {
    presence: { kind: 'seen' },
    pendingMessages: known(0, atMs),
    ackPendingMessages: known(0, atMs),
    backlogMessages: known(0, atMs),
    queuedMessages: known(0, atMs),
    runningJobs: known(0, atMs),
    oldestRunningMs: known(0, atMs),
    arrivalsPerSecond: known(0, atMs),
    plannedArrivalsPerSecond: known(0, atMs),
    arrivalsLongPerSecond: known(0, atMs),
    completionsPerSecond: known(0, atMs),
    arrivalsBriefPerSecond: known(0, atMs),
    completionsBriefPerSecond: known(0, atMs),
    capacity: capacitySignal(),
    overflow: known('refusesNew', atMs),
    maxAckPending: known<number | 'unlimited'>('unlimited', atMs),
    paused: false,
    openPulls: known(1, atMs),
    ackWaitMs: known(30_000, atMs),
    redeliveredMessages: known(0, atMs),
    attemptsPerSuccess: known(1, atMs),
    repeatedShare: known(0, atMs),
    successMs: known(1_000, atMs),
    serviceVariability: known(1, atMs),
    serviceP95Ms: known(2_000, atMs),
    batches: [],
    stalledSinceMs: undefined,
    oldest: undefined,
    unresolvedSinceMs: undefined,
    lastWorkMs: known(atMs, atMs),
    ...overrides,
  };
}

export function capacitySignal(overrides: Partial<Capacity> = {}): Capacity {
  return { jobsPerSecond: 1, slots: 1, serviceMs: known(1_000, 0), basis: 'heartbeats', ...overrides };
}

type SeenWorkload = Extract<WorkloadSignals, { kind: 'seen' }>;

/** A workload whose replicas are all ready, as many as were asked for; the overrides win. */
export function workloadSignals(overrides: Partial<SeenWorkload> = {}): SeenWorkload {
  return {
    kind: 'seen',
    desired: 0,
    ready: overrides.desired ?? 0,
    starting: 0,
    terminating: 0,
    failing: 0,
    unschedulable: 0,
    revision: undefined,
    troubleSinceMs: undefined,
    troubleMessage: undefined,
    ...overrides,
  };
}
