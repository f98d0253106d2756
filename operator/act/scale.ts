import { describeError } from '#common/errors.ts';
import type { Decision } from '../decide/decision.ts';
import type { Observation } from '../observe/observation.ts';
import type { Platform, Pool, ScaleOutcome } from '../platform/platform.ts';
import { chooseVictims } from './victims.ts';

/** Carries a decision out. Undefined when there is nothing to write; a failure is a value, for the next pass to see. */
export async function act(
  pool: Pool,
  decision: Decision,
  observation: Observation,
  platform: Platform,
): Promise<ScaleOutcome | undefined> {
  if (decision.kind === 'hold') return undefined;
  const { from, to } = decision;
  try {
    return await platform.scale(pool, { from, to, victims: chooseVictims(observation, from - to) });
  } catch (error) {
    return { kind: 'failed', message: `scaling ${pool.key} from ${from} to ${to}: ${describeError(error)}` };
  }
}
