import type { SourceObservation } from '../observe/observation.ts';

type Arrived = SourceObservation['heartbeats'][number];

/** What the workers of one source have reported. Totals are recency-weighted sums over the last minutes of work. */
export type Fleet = {
  /** The last heartbeat of each worker. */
  readonly workers: ReadonlyMap<string, Arrived>;
  /** Jobs that one replica runs at once, retained while no worker is heard. */
  readonly slotsPerReplica: number | undefined;
  readonly work: Work | undefined;
  /** Over about the last minute, so that a storm which has passed is soon forgotten. */
  readonly recent: Recent;
  /** Run times of the jobs that succeeded since the last pass. */
  readonly reported: { readonly jobs: number; readonly ms: number };
  /** Over about the last half minute. */
  readonly busyMs: number;
  readonly openMs: number;
};

type Recent = {
  readonly attempts: number;
  readonly succeeded: number;
  readonly deliveries: number;
  readonly firstDeliveries: number;
};

export type Work = {
  readonly busyMs: number;
  readonly succeeded: number;
  /** Jobs that left a slot with whatever outcome. */
  readonly attempts: number;
  readonly deliveries: number;
  readonly firstDeliveries: number;
  /** Run times of the jobs that succeeded. */
  readonly serviceCount: number;
  readonly serviceMs: number;
  readonly serviceSquaresMs2: number;
  /** Mean busy time per attempt when the last attempt ended, milliseconds. */
  readonly settledMs: number;
  /** Age of the longest running job at the last look, milliseconds. */
  readonly oldestRunningMs: number;
};

export const emptyFleet: Fleet = {
  workers: new Map(),
  slotsPerReplica: undefined,
  work: undefined,
  recent: { attempts: 0, succeeded: 0, deliveries: 0, firstDeliveries: 0 },
  reported: { jobs: 0, ms: 0 },
  busyMs: 0,
  openMs: 0,
};

/** What the fleet is doing right now. */
export type FleetNow = {
  readonly workers: number;
  readonly busy: number;
  /** The longest time that a job has been running, milliseconds. */
  readonly oldestRunningMs: number;
};

/** What is known about jobs fades with busy time, so that idle times forget nothing, and no faster than jobs end. */
const workMemoryMs = 180_000;
const workMemoryJobs = 30;
/** The policy's assumption weighs as much as so many measured jobs, and fades like them. */
const priorJobs = 2;
const recentMemoryMs = 60_000;
const utilizationMemoryMs = 30_000;
/** More processes than this are not followed, so that invented ones cannot fill the memory. */
const mostWorkers = 10_000;

type Growth = {
  serviceCount: number;
  serviceMs: number;
  serviceSquaresMs2: number;
  busyMs: number;
  slotMs: number;
  succeeded: number;
  attempts: number;
  deliveries: number;
  firstDeliveries: number;
};

/**
 * Adds what was reported since the last pass.
 *
 * A worker may claim anything, so none is believed beyond reason: the slots of a replica are the median over the
 * replicas, totals that fall start anew, and a process that claims more busy time than twice that many slots allow is
 * left out of the sums.
 */
export function followFleet(
  fleet: Fleet,
  heard: readonly Arrived[],
  elapsedMs: number,
  priorServiceMs: number,
): Fleet {
  const followed = heard.slice(0, mostWorkers);
  const slotsPerReplica = medianSlots(followed) ?? fleet.slotsPerReplica;
  const workers = new Map<string, Arrived>();
  const sum: Growth = {
    busyMs: 0,
    slotMs: 0,
    succeeded: 0,
    attempts: 0,
    deliveries: 0,
    firstDeliveries: 0,
    serviceCount: 0,
    serviceMs: 0,
    serviceSquaresMs2: 0,
  };
  let oldestRunningMs = 0;
  for (const arrived of followed) {
    const { heartbeat } = arrived;
    const before = fleet.workers.get(heartbeat.worker);
    // Another start is another process, whose totals began anew.
    const isContinued = before?.heartbeat.startedAtMs === heartbeat.startedAtMs;
    const isRepeated = isContinued && heartbeat.sequence <= before.heartbeat.sequence;
    workers.set(heartbeat.worker, isRepeated ? before : arrived);
    oldestRunningMs = Math.max(oldestRunningMs, heartbeat.oldestRunningMs);
    if (!isContinued || isRepeated) continue;
    addGrowth(sum, before, arrived, slotsPerReplica ?? 1);
  }
  const fading = Math.exp(-elapsedMs / utilizationMemoryMs);
  const recentFading = Math.exp(-elapsedMs / recentMemoryMs);
  const hasWorked = sum.busyMs > 0 || sum.attempts > 0;
  return {
    workers,
    slotsPerReplica,
    work: hasWorked
      ? rememberWork(fleet.work ?? assumedWork(priorServiceMs), sum, elapsedMs, oldestRunningMs)
      : fleet.work,
    recent: {
      attempts: fleet.recent.attempts * recentFading + sum.attempts,
      succeeded: fleet.recent.succeeded * recentFading + sum.succeeded,
      deliveries: fleet.recent.deliveries * recentFading + sum.deliveries,
      firstDeliveries: fleet.recent.firstDeliveries * recentFading + sum.firstDeliveries,
    },
    reported: { jobs: sum.serviceCount, ms: sum.serviceMs },
    busyMs: fleet.busyMs * fading + sum.busyMs,
    openMs: fleet.openMs * fading + sum.slotMs,
  };
}

export function fleetNow(heard: readonly Arrived[]): FleetNow {
  return {
    workers: heard.length,
    busy: heard.reduce((sum, { heartbeat }) => sum + heartbeat.busy, 0),
    oldestRunningMs: heard.reduce((oldest, { heartbeat }) => Math.max(oldest, heartbeat.oldestRunningMs), 0),
  };
}

/**
 * Share of deliveries that were the message's first, as the workers tell; 1 when nobody reported. Never below a half,
 * so that a worker's claim cannot make arrivals disappear.
 */
export function firstDeliveryShare({ work }: Fleet): number {
  if (work === undefined || work.deliveries < 1) return 1;
  return Math.min(1, Math.max(0.5, work.firstDeliveries / work.deliveries));
}

function addGrowth(sum: Growth, before: Arrived, now: Arrived, slotsPerReplica: number): void {
  const [old, totals] = [before.heartbeat.totals, now.heartbeat.totals];
  const attempts = (t: typeof totals): number => t.succeeded + t.retried + t.deadLettered;
  const growth: Readonly<Growth> = {
    busyMs: totals.busySlotMs - old.busySlotMs,
    slotMs: totals.slotMs - old.slotMs,
    succeeded: totals.succeeded - old.succeeded,
    attempts: attempts(totals) - attempts(old),
    deliveries: totals.deliveries - old.deliveries,
    firstDeliveries: totals.firstDeliveries - old.firstDeliveries,
    serviceCount: now.heartbeat.service.count - before.heartbeat.service.count,
    serviceMs: now.heartbeat.service.sumMs - before.heartbeat.service.sumMs,
    serviceSquaresMs2: now.heartbeat.service.sumSquaresMs2 - before.heartbeat.service.sumSquaresMs2,
  };
  const smallest = Math.min(
    growth.busyMs,
    growth.slotMs,
    growth.succeeded,
    growth.attempts,
    growth.deliveries,
    growth.firstDeliveries,
    growth.serviceCount,
    growth.serviceMs,
    growth.serviceSquaresMs2,
  );
  const mostBusyMs = 2 * slotsPerReplica * (now.atMs - before.atMs + 1_000);
  const isBelievable = smallest >= 0 && growth.busyMs <= mostBusyMs;
  if (!isBelievable) return;
  sum.busyMs += growth.busyMs;
  sum.slotMs += Math.min(growth.slotMs, mostBusyMs);
  sum.succeeded += growth.succeeded;
  sum.attempts += growth.attempts;
  sum.deliveries += growth.deliveries;
  sum.firstDeliveries += growth.firstDeliveries;
  sum.serviceCount += growth.serviceCount;
  sum.serviceMs += growth.serviceMs;
  sum.serviceSquaresMs2 += growth.serviceSquaresMs2;
}

function assumedWork(priorServiceMs: number): Work {
  return {
    busyMs: priorJobs * priorServiceMs,
    succeeded: priorJobs,
    attempts: priorJobs,
    deliveries: 0,
    firstDeliveries: 0,
    serviceCount: 0,
    serviceMs: 0,
    serviceSquaresMs2: 0,
    settledMs: priorServiceMs,
    oldestRunningMs: 0,
  };
}

function rememberWork(
  work: Work,
  growth: Readonly<Growth>,
  elapsedMs: number,
  oldestRunningMs: number,
): Work {
  const busyShare = Math.min(1, growth.busyMs / Math.max(growth.slotMs, 1));
  const fading = Math.exp(
    -Math.min((elapsedMs * busyShare) / workMemoryMs, growth.attempts / workMemoryJobs),
  );
  const busyMs = work.busyMs * fading + growth.busyMs;
  const attempts = work.attempts * fading + growth.attempts;
  return {
    busyMs,
    attempts,
    succeeded: work.succeeded * fading + growth.succeeded,
    deliveries: work.deliveries * fading + growth.deliveries,
    firstDeliveries: work.firstDeliveries * fading + growth.firstDeliveries,
    serviceCount: work.serviceCount * fading + growth.serviceCount,
    serviceMs: work.serviceMs * fading + growth.serviceMs,
    serviceSquaresMs2: work.serviceSquaresMs2 * fading + growth.serviceSquaresMs2,
    settledMs: growth.attempts > 0 ? busyMs / attempts : work.settledMs,
    oldestRunningMs,
  };
}

/** Several processes of one replica count together. Draining and starting ones say nothing about a full replica. */
function medianSlots(heard: readonly Arrived[]): number | undefined {
  const byReplica = new Map<string, number>();
  for (const { heartbeat } of heard) {
    if (heartbeat.state !== 'running') continue;
    byReplica.set(heartbeat.replica, (byReplica.get(heartbeat.replica) ?? 0) + heartbeat.slots);
  }
  const slots = [...byReplica.values()].filter((count) => count > 0).sort((a, b) => a - b);
  // The lower one of two: a claim of many slots must be shared by most replicas to count.
  return slots[Math.floor((slots.length - 1) / 2)];
}
