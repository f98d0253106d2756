import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import type { Signals } from '../measure/signals.ts';
import { explain } from './explain.ts';
import type { ExplainedDecision, Explanation } from './explain.ts';

type Pass = {
  readonly time: string;
  readonly pool: { readonly key: string; readonly spec: WorkerPoolSpec };
  readonly signals: Signals;
  readonly decision: ExplainedDecision;
};

/** The last pass over each pool, for those that ask why. Holds what the loops hold anyway. */
export class LastPasses {
  readonly #passes = new Map<string, Pass>();

  keep(pass: Pass): void {
    this.#passes.set(pass.pool.key, pass);
  }

  keepOnly(pools: ReadonlySet<string>): void {
    for (const key of this.#passes.keys()) if (!pools.has(key)) this.#passes.delete(key);
  }

  /** @param pool namespace/name. */
  explain(pool: string): Explanation | undefined {
    const pass = this.#passes.get(pool);
    return pass === undefined ? undefined : explain(pass.pool, pass.signals, pass.decision, pass.time);
  }

  /** namespace/name of each pool, and the reason for its replicas. */
  list(): readonly { readonly pool: string; readonly reason: string }[] {
    return [...this.#passes].map(([pool, { decision }]) => ({ pool, reason: decision.reason }));
  }
}
