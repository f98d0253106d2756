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

/** What others need to know of a pool after a decision. */
export function stageOf(
  pool: string,
  { stuck: reason }: Pick<Decision, 'stuck'>,
  stages: readonly Stage[],
  atMs: number,
): Stage {
  if (reason === undefined) return { pool, stuck: undefined, atMs };
  const before = reason === 'StageBlocked' ? stages.find(({ stuck }) => stuck !== undefined) : undefined;
  return { pool, stuck: { reason, root: before?.stuck?.root ?? pool }, atMs };
}
