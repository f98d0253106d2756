import type { Clock } from '#common/clock.ts';
import { describeError } from '#common/errors.ts';
import type { Logger } from '#common/log.ts';
import type { Condition, WorkerPoolStatus } from '#crds/worker-pool-status.ts';
import type { Api } from './api.ts';
import { path } from './api.ts';
import { ApiError } from './apiError.ts';
import { fieldManager } from './scaleTargets.ts';
import type { PoolResource, StoredStatus } from './resources.ts';
import { figuresOf, noFigures, stateOf, storyOf } from './status.ts';

/** Figures alone are written no more often than this. */
const figuresEveryMs = 10_000;
const retryAfterMs = 5_000;
const mostUnderWay = 32;

type Written = {
  readonly uid: string;
  readonly story: string;
  readonly figures: string;
  readonly conditions: readonly Condition[];
  readonly atMs: number;
  /** Set as long as it was an earlier run that wrote it, or another operator: what is stored besides the conditions. */
  readonly stored?: StoredStatus;
};

/** Writes statuses when there is something new to say. A write that fails is tried again later; scaling goes on. */
export class StatusWriter {
  readonly #api: Api;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #written = new Map<string, Written>();
  readonly #waiting = new Map<string, { pool: PoolResource; status: WorkerPoolStatus }>();
  readonly #underWay = new Set<string>();
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

  /** Takes a status to be written, soon, if it has something new to say. Of several for one pool the last counts. */
  offer(pool: PoolResource, status: WorkerPoolStatus): void {
    const key = keyOf(pool);
    if (this.#written.get(key)?.uid !== pool.uid) this.#inherit(key, pool);
    if (!this.#isNews(key, pool, status)) {
      this.#waiting.delete(key);
      return;
    }
    this.#waiting.set(key, { pool, status });
    this.#writeWaiting();
  }

  #isNews(key: string, { uid }: PoolResource, status: WorkerPoolStatus): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < (this.#notBeforeMs.get(key) ?? 0)) return false;
    const written = this.#written.get(key);
    if (written?.uid !== uid) return true;
    const { stored } = written;
    const isDue = nowMs - written.atMs >= figuresEveryMs;
    // What is left out of a write stays as it is stored.
    const said = stored === undefined ? status : { ...stored, ...status };
    const hasNewFigures = written.figures !== figuresOf(said);
    if (stored === undefined) return written.story !== storyOf(said) || (isDue && hasNewFigures);
    // A fresh start first says of everything that it does not know it yet; only what is known at once counts at once.
    if (stateOf(said) !== stateOf({ ...stored, conditions: [...written.conditions] })) return true;
    return isDue && (written.story !== storyOf(said) || hasNewFigures);
  }

  #inherit(key: string, { uid, stored, conditions }: PoolResource): void {
    if (stored.observedGeneration === undefined) return;
    const status = { ...stored, conditions: [...conditions] };
    const atMs = this.#clock.monotonicMs();
    this.#written.set(key, {
      uid,
      story: storyOf(status),
      figures: figuresOf(status),
      conditions,
      atMs,
      stored,
    });
  }

  /** As many at once as the server can well bear: after a start all pools have something to say. */
  #writeWaiting(): void {
    for (const [key, { pool, status }] of this.#waiting) {
      if (this.#underWay.size >= mostUnderWay) return;
      if (this.#underWay.has(key)) continue;
      this.#waiting.delete(key);
      this.#underWay.add(key);
      void this.#write(key, pool, status).finally(() => {
        this.#underWay.delete(key);
        this.#writeWaiting();
      });
    }
  }

  /** Never rejects. */
  async #write(key: string, { namespace, name, uid }: PoolResource, status: WorkerPoolStatus): Promise<void> {
    const ours = ['apis', 'penstock.dev', 'v1alpha1'];
    const where = path(...ours, 'namespaces', namespace, 'workerpools', name, 'status');
    try {
      await this.#api.call('PATCH', where, {
        query: { fieldManager },
        body: { metadata: { uid }, status: { ...noFigures, ...status } },
      });
      this.#writes += 1;
      this.#written.set(key, {
        uid,
        story: storyOf(status),
        figures: figuresOf(status),
        conditions: status.conditions ?? [],
        atMs: this.#clock.monotonicMs(),
      });
    } catch (error) {
      const askedMs = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
      this.#notBeforeMs.set(key, this.#clock.monotonicMs() + Math.max(retryAfterMs, askedMs));
      this.#log.warn({ pool: key, error: describeError(error) }, 'status not written; trying again later');
    }
  }

  /** Forgets pools that are gone. */
  keepOnly(keys: ReadonlySet<string>): void {
    for (const map of [this.#written, this.#waiting, this.#notBeforeMs]) {
      for (const key of map.keys()) if (!keys.has(key)) map.delete(key);
    }
  }
}

const keyOf = ({ namespace, name }: PoolResource): string => `${namespace}/${name}`;
