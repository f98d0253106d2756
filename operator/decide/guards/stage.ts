import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import type { Decision } from '../decision.ts';
import { ok, useless } from './guard.ts';
import type { Guard, Verdict } from './guard.ts';
import type { Situation } from '../situation.ts';

/** How a pool stands, for those that feed it. */
export type Stage = {
  /** namespace/name. */
  readonly pool: string;
  /** Why what it is fed with piles up, although it has all the replicas that are of use. */
  readonly stuck:
    { readonly reason: string; /** The pool where it began. */ readonly root: string } | undefined;
  /** Monotonic milliseconds. */
  readonly atMs: number;
};

/** A stage that was looked at longer ago says nothing. */
const staleMs = 15_000;
/** Fewer arrivals than this share of the completions make a backlog shrink. */
const growingShare = 0.95;

/** A pool does not grow to feed one that cannot take more: that only moves its backlog. */
export const stageGuard: Guard = { name: 'stage', check };

function check({ stages, current, nowMs }: Situation): Verdict {
  const stage = stages.find(({ stuck, atMs }) => stuck !== undefined && nowMs - atMs <= staleMs);
  if (stage?.stuck === undefined) return ok;
  const { reason, root } = stage.stuck;
  const where = root === stage.pool ? '' : `, which is held up by ${root}`;
  return useless(
    'StageBlocked',
    current,
    `pool ${stage.pool}, which this one feeds, cannot take more (${reason})${where}: see there`,
  );
}

/** What others need to know of a pool after a decision: its backlog is beyond its objective and does not shrink. */
export function stageOf(
  pool: { readonly key: string; readonly spec: WorkerPoolSpec },
  { diagnosis, evidence }: Pick<Decision, 'diagnosis' | 'evidence'>,
  stages: readonly Stage[],
  atMs: number,
): Stage {
  const outlook = diagnosis.find(({ type }) => type === 'ObjectiveReachable');
  const { queuedMessages, arrivalsPerSecond, completionsPerSecond } = evidence;
  const isStuck =
    outlook?.status === 'False' &&
    queuedMessages !== null &&
    arrivalsPerSecond !== null &&
    completionsPerSecond !== null &&
    queuedMessages > completionsPerSecond * pool.spec.objective.drainSeconds &&
    arrivalsPerSecond >= growingShare * completionsPerSecond;
  if (!isStuck) return { pool: pool.key, stuck: undefined, atMs };
  const before =
    outlook.reason === 'StageBlocked' ? stages.find(({ stuck }) => stuck !== undefined) : undefined;
  return {
    pool: pool.key,
    stuck: { reason: outlook.reason, root: before?.stuck?.root ?? pool.key },
    atMs,
  };
}
