import { msToSeconds } from '#common/units.ts';
import type { PoolReport } from './poolReport.ts';

/** What the replicas cost, from the operator's reports. */
export type FleetUsage = {
  /**
   * Sum over replicas of the time that their process existed: starting, ready, ending, or waiting for a restart.
   * Each report counts until the next one, so a change is placed to within one pass.
   */
  readonly replicaSeconds: number;
  /** Most replicas that were ready at the same time. */
  readonly peakReplicas: number;
  /** How often the number of replicas was changed. */
  readonly scaleActions: number;
};

export function measureFleet(reports: readonly PoolReport[]): FleetUsage {
  let replicaMs = 0;
  for (const [index, report] of reports.entries()) {
    const next = reports[index + 1];
    if (next === undefined) break;
    replicaMs += (Date.parse(next.time) - Date.parse(report.time)) * (existingReplicas(report) ?? 0);
  }
  return {
    replicaSeconds: msToSeconds(replicaMs),
    peakReplicas: Math.max(0, ...reports.map(({ replicas }) => replicas.ready ?? 0)),
    scaleActions: reports.filter(({ outcome }) => outcome?.kind === 'scaled').length,
  };
}

/** Processes that exist, whatever their state; undefined when the host could not tell. */
export function existingReplicas({ replicas }: PoolReport): number | undefined {
  const { ready, starting, terminating, failing } = replicas;
  if (ready === null || starting === null || terminating === null || failing === null) return undefined;
  return ready + starting + terminating + failing;
}
