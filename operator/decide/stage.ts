import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import type { Decision } from './decision.ts';

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

/** Fewer arrivals than this share of the completions make a backlog shrink. */
const growingShare = 0.95;

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
