import { z } from 'zod';
import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import { Collection } from './collections.ts';
import type { Collect } from './collections.ts';
import type { Metadata } from './resourceCache.ts';

export type TargetRef = WorkerPoolSpec['scaleTargetRef'];

/** What is kept of a workload. */
export type WatchedTarget = {
  readonly resourceVersion: string;
  readonly replicas: number;
  /** In the notation of a scale. */
  readonly selector: string;
};

/** `unwatched`: its kind is none that is watched, or may not be, or is not heard from; ask for its scale. */
export type WatchAnswer =
  | { readonly kind: 'seen'; readonly target: WatchedTarget }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unwatched' };

/** Kinds whose scale can be told from the object itself. */
const plurals: Readonly<Record<string, string>> = {
  Deployment: 'deployments',
  StatefulSet: 'statefulsets',
  ReplicaSet: 'replicasets',
};
const apps = ['apis', 'apps', 'v1'];
/** A watch is renewed more often than this. */
const deadAfterMs = 120_000;

const workloadSchema = z.object({
  spec: z.object({
    replicas: z.number().int().min(0).default(1),
    selector: z.object({
      matchLabels: z.record(z.string(), z.string()).default({}),
      matchExpressions: z
        .array(
          z.object({
            key: z.string(),
            operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
            values: z.array(z.string()).nullish(),
          }),
        )
        .default([]),
    }),
  }),
});

/** The workloads of a kind, watched from the first time that a pool has one as its target. */
export class TargetWatches {
  readonly #collect: Collect;
  readonly #stop: AbortSignal;
  readonly #kinds = new Map<string, Collection<WatchedTarget>>();

  /** @param stop ends all watches. */
  constructor(collect: Collect, stop: AbortSignal) {
    this.#collect = collect;
    this.#stop = stop;
  }

  /** Waits for the first list of a kind, as long as that may take. */
  async find(namespace: string, ref: TargetRef): Promise<WatchAnswer> {
    const cache = this.#kind(ref)?.cacheOf(namespace);
    if (cache?.ageMs === undefined) await cache?.tried;
    return this.look(namespace, ref);
  }

  /** What is known at this moment. */
  look(namespace: string, ref: TargetRef): WatchAnswer {
    const cache = this.#kind(ref)?.cacheOf(namespace);
    if (cache?.ageMs === undefined || cache.ageMs > deadAfterMs) return { kind: 'unwatched' };
    const target = cache.get(`${namespace}/${ref.name}`);
    return target === undefined ? { kind: 'absent' } : { kind: 'seen', target };
  }

  #kind({ apiVersion, kind }: TargetRef): Collection<WatchedTarget> | undefined {
    const plural = apiVersion === 'apps/v1' && Object.hasOwn(plurals, kind) ? plurals[kind] : undefined;
    if (plural === undefined) return undefined;
    let collection = this.#kinds.get(kind);
    if (collection === undefined) {
      collection = new Collection(this.#collect(apps, plural, { read: readTarget }));
      this.#kinds.set(kind, collection);
      void collection.run(this.#stop);
    }
    return collection;
  }
}

function readTarget(object: unknown, { resourceVersion }: Metadata): WatchedTarget {
  const { replicas, selector } = workloadSchema.parse(object).spec;
  return { resourceVersion, replicas, selector: textOf(selector) };
}

function textOf({
  matchLabels,
  matchExpressions,
}: z.output<typeof workloadSchema>['spec']['selector']): string {
  const labels = Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`);
  const expressions = matchExpressions.map(({ key, operator, values }) => {
    if (operator === 'Exists') return key;
    if (operator === 'DoesNotExist') return `!${key}`;
    return `${key} ${operator === 'In' ? 'in' : 'notin'} (${(values ?? []).join(',')})`;
  });
  return [...labels, ...expressions].join(',');
}
