import { msToSeconds } from '#common/units.ts';
import type { Situation } from '../situation.ts';
import { ok, useless } from './guard.ts';
import type { Guard, Verdict } from './guard.ts';

/** A replica gets this long to recover, or to find room, or a few start times if those are longer. */
const shortestPatienceMs = 15_000;
const patienceStarts = 2;
/** Asked for beyond what runs, so that it shows when replicas start again. */
const probes = 1;

/** Replicas that do not start are not joined by more. */
export const schedulingGuard: Guard = { name: 'scheduling', check };

function check({ workload, nowMs, startMs, demand }: Situation): Verdict {
  const { failing, unschedulable, ready, starting, troubleSinceMs, troubleMessage } = workload;
  if (troubleSinceMs === undefined) return ok;
  const troubleMs = nowMs - troubleSinceMs;
  if (troubleMs < Math.max(shortestPatienceMs, patienceStarts * startMs)) return ok;
  const what = failing > 0 ? `${failing} fail` : `${unschedulable} find no room`;
  const cause = troubleMessage === undefined ? '' : ` (${troubleMessage})`;
  return useless(
    failing > 0 ? 'ReplicasFailing' : 'Unschedulable',
    ready + starting + probes,
    `of the replicas asked for, ${what} since ${msToSeconds(troubleMs).toFixed(0)} s${cause}`,
    failing > 0 || demand.replicas <= ready
      ? []
      : [{ change: 'roomForReplicas', to: demand.replicas - ready - starting }],
  );
}
