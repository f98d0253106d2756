import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import { secondsToMs } from '#common/units.ts';
import type { Observation, ReplicaFacts, Seen, WorkloadFacts } from '../observe/observation.ts';
import { emptyHistory, emptySourceHistory } from './history.ts';
import type { History } from './history.ts';
import { serviceLevel } from './serviceLevel.ts';
import type { Circumstances } from './source.ts';
import { measureSource } from './source.ts';
import { known, unknown } from './signals.ts';
import type { Known, Signals, WorkloadSignals } from './signals.ts';

export { emptyHistory };
export type { History };

/** Without a bound on the wait, the objective for a backlog is taken for one. */
const usualShare = 0.95;
const objectiveShare = ({ wait }: WorkerPoolSpec['objective']): number =>
  wait === undefined ? usualShare : wait.percentile / 100;
const withinSeconds = ({ wait, drainSeconds }: WorkerPoolSpec['objective']): number =>
  wait?.seconds ?? drainSeconds;

/** A replica that took longer to start says nothing about the next one. */
const longestStartMs = 600_000;

/**
 * Turns the facts of a pass into signals, given what earlier passes left in the history.
 *
 * @returns the signals, and the history to hand in at the next pass. Of bounded size whatever was observed.
 */
export function measure(
  history: History,
  observation: Observation,
  spec: WorkerPoolSpec,
): { readonly signals: Signals; readonly history: History } {
  const { atMs } = observation;
  const workload = measureWorkload(history, observation.workload, atMs);
  const startMs = longestStart(observation.workload) ?? history.startMs;
  const circumstances: Circumstances = {
    atMs,
    elapsedMs: Math.max(0, atMs - (history.atMs ?? atMs)),
    ...replicasAtWork(history, workload, atMs),
    prior: spec.prior,
    sharedBy: sourcesPerWorker(observation.sources),
    startMs: startMs ?? secondsToMs(spec.prior.startSeconds),
    withinSeconds: withinSeconds(spec.objective),
  };
  const measured = observation.sources.map((source, index) =>
    measureSource(history.sources[index] ?? emptySourceHistory, source, circumstances),
  );
  const sources = measured.map((source) => source.signals);
  const next: History = {
    atMs,
    sources: measured.map((source) => source.history),
    startMs,
    readyReplicas: circumstances.ready,
    steadySinceMs: circumstances.steadySinceMs,
    troubleSinceMs: workload.kind === 'seen' ? workload.troubleSinceMs : history.troubleSinceMs,
  };
  return {
    signals: {
      atMs,
      sources,
      workload,
      startMs: startMs === undefined ? unknown('no replica has been seen starting') : known(startMs, atMs),
      utilization: utilization(next, sources, circumstances),
      serviceLevel: serviceLevel(
        next.sources.map(({ waits }) => waits),
        objectiveShare(spec.objective),
        withinSeconds(spec.objective),
        atMs,
      ),
    },
    history: next,
  };
}

/** The mean, so that one worker that claims to serve everything does not count for all. */
function sourcesPerWorker(sources: Observation['sources']): number {
  if (sources.length === 1) return 1;
  const workers = new Set<string>();
  let served = 0;
  for (const { heartbeats } of sources) {
    served += heartbeats.length;
    for (const { heartbeat } of heartbeats) workers.add(heartbeat.worker);
  }
  return workers.size === 0 ? 1 : served / workers.size;
}

function measureWorkload(history: History, workload: Seen<WorkloadFacts>, atMs: number): WorkloadSignals {
  if (workload.kind !== 'seen') return workload;
  const { desired, replicas } = workload.value;
  const count = (state: ReplicaFacts['state']): number =>
    replicas.reduce((sum, replica) => sum + (replica.state === state ? 1 : 0), 0);
  const [failing, unschedulable] = [count('failing'), count('unschedulable')];
  const isTroubled = failing + unschedulable > 0;
  return {
    kind: 'seen',
    desired,
    ready: count('ready'),
    starting: count('starting'),
    terminating: count('terminating'),
    failing,
    unschedulable,
    revision: newest(replicas)?.revision,
    troubleSinceMs: isTroubled ? (history.troubleSinceMs ?? atMs) : undefined,
    troubleMessage: replicas.find(({ state }) => state === 'failing' || state === 'unschedulable')?.message,
  };
}

function newest(replicas: readonly ReplicaFacts[]): ReplicaFacts | undefined {
  return replicas.reduce<ReplicaFacts | undefined>(
    (youngest, replica) =>
      replica.state !== 'terminating' && replica.ageMs < (youngest?.ageMs ?? Infinity) ? replica : youngest,
    undefined,
  );
}

/** While a replica leaves, it is not known who completes what. */
function replicasAtWork(
  { readyReplicas: before, steadySinceMs }: History,
  workload: WorkloadSignals,
  atMs: number,
): Pick<Circumstances, 'ready' | 'steady' | 'steadySinceMs' | 'working'> {
  if (workload.kind !== 'seen') {
    return { ready: before, steady: 0, steadySinceMs: undefined, working: before };
  }
  const { ready, terminating } = workload;
  return {
    ready,
    steady: terminating > 0 ? 0 : Math.min(before, ready),
    steadySinceMs: terminating > 0 || ready !== before ? undefined : (steadySinceMs ?? atMs),
    working: Math.max(before, ready) + terminating,
  };
}

function longestStart(workload: Seen<WorkloadFacts>): number | undefined {
  if (workload.kind !== 'seen') return undefined;
  let longest: number | undefined;
  for (const { startMs } of workload.value.replicas) {
    if (startMs === undefined || !(startMs >= 0)) continue;
    longest = Math.max(longest ?? 0, Math.min(startMs, longestStartMs));
  }
  return longest;
}

/** From the workers' busy and open slot time; else arrivals over what the ready replicas could complete. */
function utilization(history: History, sources: Signals['sources'], { atMs, ready }: Circumstances): Known {
  let [busyMs, openMs] = [0, 0];
  for (const { fleet } of history.sources) {
    // What workers said that are gone tells nothing about those that remain, if any do.
    if (fleet.workers.size === 0) continue;
    busyMs += fleet.busyMs;
    openMs += fleet.openMs;
  }
  if (openMs > 0) return known(Math.min(1, busyMs / openMs), atMs);
  if (ready === 0) return unknown('no replica is ready');
  let share = 0;
  for (const { arrivalsPerSecond, capacity } of sources) {
    if (arrivalsPerSecond.kind === 'unknown') return arrivalsPerSecond;
    share += arrivalsPerSecond.value / (capacity.jobsPerSecond * ready);
  }
  return known(Math.min(1, share), atMs);
}
