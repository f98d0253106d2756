import { writeAckPending } from '../act/ackPending.ts';
import type { Reach } from '../act/ackPending.ts';
import { act } from '../act/scale.ts';
import { recordAckPending } from '../decide/ackPendingState.ts';
import { decide } from '../decide/decide.ts';
import type { Decision } from '../decide/decision.ts';
import type { Stage } from '../decide/stage.ts';
import { initialMemory, recordScale } from '../decide/memory.ts';
import type { Earlier, Memory } from '../decide/memory.ts';
import { emptyHistory, measure } from '../measure/measure.ts';
import type { History } from '../measure/measure.ts';
import type { Signals } from '../measure/signals.ts';
import type { Observation } from '../observe/observation.ts';
import { linkTo, observe } from '../observe/observe.ts';
import type { Sight } from '../observe/observe.ts';
import type { Pool, ScaleOutcome } from '../platform/platform.ts';
import { scheduledFloor } from './scheduledFloor.ts';
import { reportPass } from '../report/passReport.ts';
import type { PassReport } from '../report/passReport.ts';

/** What one pool remembers from pass to pass. Losing it (a restart) costs time, never correctness. */
export type PoolState = { readonly history: History; readonly memory: Memory };

/** @param earlier what an earlier run left in the status, where there is one. */
export const initialState = (nowMs: number, earlier: Earlier = {}): PoolState => ({
  history: emptyHistory,
  memory: initialMemory(nowMs, earlier),
});

export type Parts = Sight & {
  /** False for a look without consequences. */
  readonly mayAct: boolean;
};

/** Each step of a pass, for those that look closer than the report. */
export type PassDetails = {
  readonly pool: Pool;
  readonly observation: Observation;
  readonly signals: Signals;
  readonly decision: Decision;
  /** Undefined when nothing was to be written. */
  readonly outcome: ScaleOutcome | undefined;
};

export type PassResult = {
  readonly state: PoolState;
  readonly report: PassReport;
  readonly details: PassDetails;
  readonly nextCheckMs: number;
};

/**
 * One pass over one pool: the table of contents of the operator.
 *
 * @param stages how the pools stand that it feeds.
 * @param sinceMs as in `observe`.
 */
export async function pass(
  pool: Pool,
  state: PoolState,
  parts: Parts,
  stages: readonly Stage[],
  sinceMs: number,
): Promise<PassResult> {
  const { platform, clock, mayAct } = parts;

  const observation = await observe(pool, parts, sinceMs);
  const { signals, history } = measure(state.history, observation, pool.spec);
  const nowMs = observation.atMs;
  const { decision, memory } = decide({
    spec: pool.spec,
    signals,
    memory: state.memory,
    nowMs,
    schedule: scheduledFloor(pool.spec.schedules, clock.wallMs(), nowMs),
    stages,
  });
  // Raised before replicas come that would find nothing otherwise.
  const limits = mayAct ? await writeAckPending(decision.ackPending, reachOf(pool, parts)) : [];
  const outcome = mayAct ? await act(pool, decision, observation, platform) : undefined;
  const report = reportPass(pool, signals, decision, outcome, clock.wallMs());

  const hasScaled = decision.kind === 'scale' && outcome?.kind === 'scaled';
  const noted =
    limits.length === 0
      ? memory
      : { ...memory, ackPending: recordAckPending(memory.ackPending, limits, clock.monotonicMs()) };
  const remembered = hasScaled
    ? recordScale(noted, { from: decision.from, to: decision.to, atMs: clock.monotonicMs() })
    : noted;
  return {
    state: { history, memory: remembered },
    report,
    details: { pool, observation, signals, decision, outcome },
    nextCheckMs: decision.nextCheckMs,
  };
}

function reachOf(pool: Pool, { platform, connections }: Parts): Reach {
  return (index) => {
    const source = pool.spec.sources[index];
    const link = source === undefined ? undefined : linkTo(pool, source, platform, connections);
    return source === undefined || link?.kind !== 'up'
      ? undefined
      : { ...source, connection: link.link.connection };
  };
}

/**
 * What a pool would remember if it had been passed over at a moment when nothing was to be done. For pools that rest:
 * it brings them up to the last moment at which they were seen to be as they were.
 */
export function catchUp(
  pool: Pool,
  state: PoolState,
  observation: Observation,
  stages: readonly Stage[],
): PoolState {
  const { signals, history } = measure(state.history, observation, pool.spec);
  const { memory } = decide({
    spec: pool.spec,
    signals,
    memory: state.memory,
    nowMs: observation.atMs,
    stages,
  });
  return { history, memory };
}
