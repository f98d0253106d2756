import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import type { NatsConnectionSpec } from '#crds/nats-connection.ts';
import type { Api } from './api.ts';
import { path } from './api.ts';
import { readPod } from './pods.ts';
import type { Pod } from './pods.ts';
import { ResourceCache } from './resourceCache.ts';
import type { CacheOptions } from './resourceCache.ts';
import { readAutoscaler, readConnection, readPool } from './resources.ts';
import type { AutoscalerResource, PoolResource } from './resources.ts';

/** One kind over all namespaces that we look at: one cache for the cluster, or one for each namespace. */
class Collection<T> {
  readonly #caches: readonly ResourceCache<T>[];

  constructor(caches: readonly ResourceCache<T>[]) {
    this.#caches = caches;
  }

  /** By namespace/name. */
  get(key: string): T | undefined {
    for (const cache of this.#caches) {
      const item = cache.get(key);
      if (item !== undefined) return item;
    }
    return undefined;
  }

  *values(): Generator<T> {
    for (const cache of this.#caches) yield* cache.values();
  }

  async synced(): Promise<void> {
    await Promise.all(this.#caches.map((cache) => cache.synced));
  }

  /** The longest time that the server has said nothing about one of them, milliseconds; undefined before all lists. */
  ageMs(): number | undefined {
    const ages = this.#caches.map(({ ageMs }) => ageMs);
    return ages.includes(undefined) ? undefined : Math.max(0, ...ages.map((age) => age ?? 0));
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#caches.map((cache) => cache.run(signal)));
  }
}

export type Collections = {
  readonly pools: Collection<PoolResource>;
  readonly connections: Collection<NatsConnectionSpec>;
  readonly pods: Collection<Pod>;
  readonly autoscalers: Collection<AutoscalerResource>;
};

/** @param namespaces to look at; none means all of the cluster. */
export function createCollections(
  api: Api,
  namespaces: readonly string[],
  tools: { clock: Clock; log: Logger; random: () => number },
): Collections {
  const collection = <T>(
    group: readonly string[],
    plural: string,
    read: CacheOptions<T>['read'],
  ): Collection<T> => {
    const paths =
      namespaces.length === 0
        ? [path(...group, plural)]
        : namespaces.map((namespace) => path(...group, 'namespaces', namespace, plural));
    return new Collection(paths.map((where) => new ResourceCache(api, { path: where, read }, tools)));
  };
  const ours = ['apis', 'penstock.dev', 'v1alpha1'];
  return {
    pools: collection(ours, 'workerpools', readPool),
    connections: collection(ours, 'natsconnections', readConnection),
    pods: collection(['api', 'v1'], 'pods', readPod),
    autoscalers: collection(['apis', 'autoscaling', 'v2'], 'horizontalpodautoscalers', readAutoscaler),
  };
}
