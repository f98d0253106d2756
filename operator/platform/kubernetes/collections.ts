import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import type { NatsConnectionSpec } from '#crds/nats-connection.ts';
import type { Api } from './api.ts';
import { path } from './api.ts';
import { PodIndex } from './podIndex.ts';
import { readPod } from './pods.ts';
import type { Pod } from './pods.ts';
import { ResourceCache } from './resourceCache.ts';
import type { CacheOptions, Problem } from './resourceCache.ts';
import { isOtherPool, readAutoscaler, readConnection, readPool } from './resources.ts';
import type { AutoscalerResource, PoolResource } from './resources.ts';

/** The caches of one kind, by namespace; a single one under '' for all of the cluster. */
type Caches<T> = ReadonlyMap<string, ResourceCache<T>>;

export type WatchState = {
  readonly namespace: string;
  /** Time since the server last said anything about it, milliseconds; undefined while there is a problem. */
  readonly ageMs: number | undefined;
  readonly problem: Problem | undefined;
};

/** One kind over all namespaces that we look at. */
export class Collection<T> {
  readonly #caches: Caches<T>;

  constructor(caches: Caches<T>) {
    this.#caches = caches;
  }

  /** By namespace/name. */
  get(key: string): T | undefined {
    return this.cacheOf(key.slice(0, key.indexOf('/')))?.get(key);
  }

  *values(): Generator<T> {
    for (const cache of this.#caches.values()) yield* cache.values();
  }

  /** Undefined for a namespace that we do not look at. */
  cacheOf(namespace: string): ResourceCache<T> | undefined {
    return this.#caches.get('') ?? this.#caches.get(namespace);
  }

  /** Resolves when each of the first lists has come, or has failed. */
  async tried(): Promise<void> {
    await Promise.all([...this.#caches.values()].map((cache) => cache.tried));
  }

  /** Grows with each change that is news. */
  get version(): number {
    return [...this.#caches.values()].reduce((sum, { version }) => sum + version, 0);
  }

  /** Why nothing is known in a namespace, e.g. which right is missing; undefined once it has been listed. */
  problemIn(namespace: string): Problem | undefined {
    return this.cacheOf(namespace)?.problem;
  }

  /** Of each namespace that is looked at, '' for all of the cluster. */
  *states(): Generator<WatchState> {
    for (const [namespace, { ageMs, problem }] of this.#caches) yield { namespace, ageMs, problem };
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.#caches.values()].map((cache) => cache.run(signal)));
  }
}

class PodCollection extends Collection<Pod> {
  readonly #index: PodIndex;

  constructor(collect: Collect) {
    const index = new PodIndex();
    const onChange = (before: Pod | undefined, after: Pod | undefined): void => index.change(before, after);
    super(collect(['api', 'v1'], 'pods', { read: readPod, onChange }));
    this.#index = index;
  }

  /** See `PodIndex.select`. */
  select(namespace: string, selector: string): readonly Pod[] {
    return this.#index.select(namespace, selector);
  }
}

export type Collections = {
  readonly pools: Collection<PoolResource>;
  readonly connections: Collection<NatsConnectionSpec>;
  readonly pods: PodCollection;
  readonly autoscalers: Collection<AutoscalerResource>;
  /** Of KEDA, where that is installed. */
  readonly scaledObjects: Collection<AutoscalerResource>;
};

/** Caches for a kind: group and version as in its path, the plural name, and how to read an object. */
export type Collect = <T>(
  group: readonly string[],
  plural: string,
  options: Omit<CacheOptions<T>, 'path'>,
) => Caches<T>;

/** @param namespaces to look at; none means all of the cluster. */
export function collector(
  api: Api,
  namespaces: readonly string[],
  tools: { clock: Clock; log: Logger; random: () => number },
): Collect {
  return (group, plural, options) => {
    const paths =
      namespaces.length === 0
        ? [['', path(...group, plural)] as const]
        : namespaces.map((name) => [name, path(...group, 'namespaces', name, plural)] as const);
    return new Map(
      paths.map(([name, where]) => [name, new ResourceCache(api, { path: where, ...options }, tools)]),
    );
  };
}

export function createCollections(collect: Collect): Collections {
  const ours = ['apis', 'penstock.dev', 'v1alpha1'];
  const autoscaling = ['apis', 'autoscaling', 'v2'];
  const keda = ['apis', 'keda.sh', 'v1alpha1'];
  return {
    pools: new Collection(collect(ours, 'workerpools', { read: readPool, isNews: isOtherPool })),
    connections: new Collection(collect(ours, 'natsconnections', { read: readConnection })),
    pods: new PodCollection(collect),
    autoscalers: new Collection(collect(autoscaling, 'horizontalpodautoscalers', { read: readAutoscaler })),
    scaledObjects: new Collection(collect(keda, 'scaledobjects', { read: readAutoscaler, isOptional: true })),
  };
}
