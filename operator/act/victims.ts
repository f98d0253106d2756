import type { Observation, ReplicaFacts } from '../observe/observation.ts';

/**
 * Which replicas should go, best first: those that do not work yet, then those with the least work in hand, then the
 * youngest. A ready replica that was not heard counts as fully busy: unknown is not idle.
 */
export function chooseVictims({ workload, sources }: Observation, count: number): string[] {
  if (workload.kind !== 'seen' || count <= 0) return [];
  const inFlight = new Map<string, number>();
  for (const { heartbeat } of sources.flatMap((source) => source.heartbeats)) {
    const jobs = heartbeat.busy + heartbeat.buffered;
    inFlight.set(heartbeat.replica, (inFlight.get(heartbeat.replica) ?? 0) + jobs);
  }
  const work = (replica: ReplicaFacts): number =>
    replica.state === 'ready' ? (inFlight.get(replica.name) ?? Number.MAX_SAFE_INTEGER) : -1;
  return workload.value.replicas
    .filter((replica) => replica.state !== 'terminating')
    .sort((a, b) => work(a) - work(b) || a.ageMs - b.ageMs)
    .slice(0, count)
    .map((replica) => replica.name);
}
