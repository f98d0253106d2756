import type { Clock } from '#common/clock.ts';
import { describeError } from '#common/errors.ts';
import type { Logger } from '#common/log.ts';
import type { Condition, WorkerPoolStatus } from '#crds/worker-pool-status.ts';
import type { Api } from './api.ts';
import { path } from './api.ts';
import { fieldManager } from './scaleTargets.ts';
import type { PoolResource } from './resources.ts';
import { figuresOf, storyOf } from './status.ts';

/** Figures alone are written no more often than this. */
const figuresEveryMs = 10_000;
const retryAfterMs = 5_000;

type Written = {
  readonly uid: string;
  readonly story: string;
  readonly figures: string;
  readonly conditions: readonly Condition[];
  readonly atMs: number;
};

/** Writes statuses when there is something new to say. A write that fails is tried again later; scaling goes on. */
export class StatusWriter {
  readonly #api: Api;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #written = new Map<string, Written>();
  readonly #pending = new Set<string>();
  readonly #notBeforeMs = new Map<string, number>();
  #writes = 0;

  constructor(api: Api, clock: Clock, log: Logger) {
    this.#api = api;
    this.#clock = clock;
    this.#log = log;
  }

  /** Statuses written since the start. */
  get writes(): number {
    return this.#writes;
  }

  /** Conditions as they stand: ours when we have written, else what is stored. */
  conditions(pool: PoolResource): readonly Condition[] {
    const written = this.#written.get(keyOf(pool));
    return written?.uid === pool.uid ? written.conditions : pool.conditions;
  }

  /** Resolves when the status is written or need not be. Never rejects. */
  async offer(pool: PoolResource, status: WorkerPoolStatus): Promise<void> {
    const key = keyOf(pool);
    const nowMs = this.#clock.monotonicMs();
    if (this.#pending.has(key) || nowMs < (this.#notBeforeMs.get(key) ?? 0)) return;
    const written = this.#written.get(key);
    const [story, figures] = [storyOf(status), figuresOf(status)];
    const isSame = written?.uid === pool.uid && written.story === story;
    if (isSame && (written.figures === figures || nowMs - written.atMs < figuresEveryMs)) return;
    this.#pending.add(key);
    try {
      const where = path(
        'apis',
        'penstock.dev',
        'v1alpha1',
        'namespaces',
        pool.namespace,
        'workerpools',
        pool.name,
        'status',
      );
      await this.#api.call('PATCH', where, {
        query: { fieldManager },
        body: { metadata: { uid: pool.uid }, status },
      });
      this.#writes += 1;
      this.#written.set(key, {
        uid: pool.uid,
        story,
        figures,
        conditions: status.conditions ?? [],
        atMs: nowMs,
      });
    } catch (error) {
      this.#notBeforeMs.set(key, nowMs + retryAfterMs);
      this.#log.warn({ pool: key, error: describeError(error) }, 'status not written; trying again later');
    } finally {
      this.#pending.delete(key);
    }
  }

  /** Forgets pools that are gone. */
  keepOnly(keys: ReadonlySet<string>): void {
    for (const map of [this.#written, this.#notBeforeMs]) {
      for (const key of map.keys()) if (!keys.has(key)) map.delete(key);
    }
  }
}

const keyOf = ({ namespace, name }: PoolResource): string => `${namespace}/${name}`;
