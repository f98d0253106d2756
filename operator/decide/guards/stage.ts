import { ok, useless } from './guard.ts';
import type { Guard, Verdict } from './guard.ts';
import type { Situation } from '../situation.ts';

/** A stage that was looked at longer ago says nothing. */
const staleMs = 15_000;
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
