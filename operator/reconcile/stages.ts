import { stageOf } from '../decide/stage.ts';
import type { Stage } from '../decide/stage.ts';
import type { Decision } from '../decide/decision.ts';
import type { Pool } from '../platform/platform.ts';

/** How the pools stood after their last passes, for those that feed them. */
export class Stages {
  readonly #stages = new Map<string, Stage>();

  /** The pools that one feeds. What that one itself holds up is left out: in a circle nobody waits for themselves. */
  fedBy({ key, spec }: Pool): readonly Stage[] {
    const namespace = key.slice(0, key.indexOf('/') + 1);
    return spec.feeds.flatMap((name) => {
      const stage = this.#stages.get(namespace + name);
      return stage === undefined || stage.pool === key || stage.stuck?.root === key ? [] : stage;
    });
  }

  note(pool: Pool, decision: Decision, fed: readonly Stage[], atMs: number): void {
    this.#stages.set(pool.key, stageOf(pool.key, decision, fed, atMs));
  }

  keepOnly(pools: ReadonlyMap<string, unknown>): void {
    for (const key of this.#stages.keys()) if (!pools.has(key)) this.#stages.delete(key);
  }
}
