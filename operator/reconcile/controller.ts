import type { Logger } from '#common/log.ts';
import { toError } from '#common/errors.ts';
import { sleep } from '#common/sleep.ts';
import { emptyHistory } from '../measure/measure.ts';
import type { Pool } from '../platform/platform.ts';
import type { PassReport, PassTimes } from '../report/passReport.ts';
import { initialState, pass } from './pass.ts';
import { Stages } from './stages.ts';
import type { Parts, PassDetails, PassResult, PoolState } from './pass.ts';

export type ControllerOptions = {
  /** Time from the start of one pass over a pool to the start of the next. */
  readonly periodMs: number;
  /** Called after every pass. */
  readonly onReport: (report: PassReport, times: PassTimes, details: PassDetails) => void;
  /** Called when a pass itself failed, which is a fault of ours. */
  readonly onPassError: (pool: string, error: Error) => void;
};

/** However soon a decision wants to be looked at again, a pool may not keep the operator busy. */
const soonestMs = 100;

type Loop = { readonly stop: AbortController; readonly done: Promise<void> };

/**
 * When passes run: each pool in its own loop, so that a slow or broken one delays no other. Level-triggered: a pass
 * that failed is not retried, the next one starts from what is there then.
 */
export class Controller {
  readonly #parts: Parts;
  readonly #options: ControllerOptions;
  readonly #log: Logger;
  readonly #loops = new Map<string, Loop>();
  readonly #stages = new Stages();
  #pools: ReadonlyMap<string, Pool> = new Map();

  constructor(parts: Parts, options: ControllerOptions, log: Logger) {
    this.#parts = parts;
    this.#options = options;
    this.#log = log;
  }

  /** Starts loops for pools that are new and ends those of pools that are gone. To be called about once a period. */
  sync(): void {
    // Asked for once, not in every pass: a platform may have to sort all of them to say which count.
    this.#pools = new Map(this.#parts.platform.pools().map((pool) => [pool.key, pool]));
    this.#stages.keepOnly(this.#pools);
    for (const [key, { stop }] of this.#loops) {
      if (this.#pools.has(key)) continue;
      stop.abort();
      this.#loops.delete(key);
      this.#log.info({ pool: key }, 'pool is gone; its replicas stay as they are');
    }
    for (const key of this.#pools.keys()) {
      if (this.#loops.has(key)) continue;
      const stop = new AbortController();
      this.#loops.set(key, { stop, done: this.#loop(key, stop.signal) });
    }
  }

  /** Ends all loops; resolves when no pass is under way. */
  async stop(): Promise<void> {
    const loops = [...this.#loops.values()];
    this.#loops.clear();
    for (const { stop } of loops) stop.abort();
    await Promise.all(loops.map(({ done }) => done));
  }

  /** One pass over each pool, side by side. */
  async once(): Promise<PassReport[]> {
    const pools = this.#parts.platform.pools();
    const state = initialState(this.#parts.clock.monotonicMs());
    const results = await Promise.all(pools.map((pool) => pass(pool, state, this.#parts, [])));
    return results.map(({ report }) => report);
  }

  async #loop(key: string, stop: AbortSignal): Promise<void> {
    let state: PoolState | undefined;
    let sources = '';
    let dueMs = this.#parts.clock.monotonicMs();
    while (!stop.aborted) {
      const startedAtMs = this.#parts.clock.monotonicMs();
      const pool = this.#pools.get(key);
      let waitMs = this.#options.periodMs;
      if (pool !== undefined) {
        state ??= initialState(startedAtMs, pool.writtenReplicas);
        // Figures of one consumer say nothing about another.
        const now = JSON.stringify(pool.spec.sources);
        if (now !== sources) state = { ...state, history: emptyHistory };
        sources = now;
        const result = await this.#pass(pool, state, { startedAtMs, dueMs });
        state = result?.state ?? state;
        waitMs = Math.min(waitMs, Math.max(soonestMs, result?.nextCheckMs ?? waitMs));
      }
      dueMs = startedAtMs + waitMs;
      await sleep(dueMs - this.#parts.clock.monotonicMs(), stop);
    }
  }

  async #pass(
    pool: Pool,
    state: PoolState,
    { startedAtMs, dueMs }: { startedAtMs: number; dueMs: number },
  ): Promise<PassResult | undefined> {
    try {
      const fed = this.#stages.fedBy(pool);
      const result = await pass(pool, state, this.#parts, fed);
      this.#stages.note(pool, result.details.decision, fed, this.#parts.clock.monotonicMs());
      const passMs = this.#parts.clock.monotonicMs() - startedAtMs;
      this.#options.onReport(result.report, { passMs, latenessMs: startedAtMs - dueMs }, result.details);
      return result;
    } catch (thrown) {
      const error = toError(thrown);
      this.#log.error({ err: error, pool: pool.key }, 'pass failed; the pool is left as it is');
      this.#options.onPassError(pool.key, error);
      return undefined;
    }
  }
}
