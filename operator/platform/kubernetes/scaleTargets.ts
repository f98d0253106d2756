import { z } from 'zod';
import type { Clock } from '#common/clock.ts';
import type { Api } from './api.ts';
import { path } from './api.ts';
import { ApiError, isConflict } from './apiError.ts';
import { targetKey } from './resources.ts';
import type { TargetRef, TargetWatches, WatchedTarget } from './targetWatches.ts';

export type Scale = {
  readonly replicas: number;
  /** Label selector of its pods, in the API's own notation. */
  readonly selector: string;
};

/** The scale subresource of a target, as it was read. */
export type ReadScale = Scale & {
  /** The object itself, for the write: its resource version makes the write conditional. */
  readonly object: Readonly<Record<string, unknown>>;
};

/** Public: other tools see in the managed fields who scaled. */
export const fieldManager = 'penstock';
const discoveryMs = 300_000;
const scaleTimeoutMs = 5_000;

const scaleSchema = z.looseObject({
  metadata: z.looseObject({ resourceVersion: z.string() }),
  spec: z.looseObject({ replicas: z.number().int().min(0).default(0) }).prefault({}),
  status: z.looseObject({ selector: z.string().default('') }).prefault({}),
});
const resourcesSchema = z.object({ resources: z.array(z.object({ name: z.string(), kind: z.string() })) });

/** What a request of ours told, and how far the watch was then: it counts until the watch goes on. */
type Told = { readonly scale: Scale; readonly watchedVersion: string };
type Discovered = { readonly plural: string; readonly atMs: number };

/** Reads and writes `/scale` of whatever kind has one; discovery tells the path. What is watched need not be read. */
export class ScaleTargets {
  readonly #api: Api;
  readonly #clock: Clock;
  readonly #watches: TargetWatches;
  readonly #told = new Map<string, Told>();
  readonly #plurals = new Map<string, Discovered>();

  constructor(api: Api, clock: Clock, watches: TargetWatches) {
    this.#api = api;
    this.#clock = clock;
    this.#watches = watches;
  }

  /**
   * The scale by the watch, or by a request where there is none.
   *
   * @throws ApiError; `NotFound` when the target, its kind, or its scale does not exist.
   */
  async current(namespace: string, ref: TargetRef): Promise<Scale> {
    const answer = await this.#watches.find(namespace, ref);
    if (answer.kind === 'unwatched') return this.read(namespace, ref);
    if (answer.kind === 'absent') {
      this.#told.delete(targetKey(namespace, ref.kind, ref.name));
      const message = `${ref.kind} "${ref.name}" not found`;
      throw new ApiError(`scale of ${namespace}/${ref.name}`, { status: 404, reason: 'NotFound', message });
    }
    return this.#latest(namespace, ref, answer.target);
  }

  /** The scale as far as it is known without asking. */
  known(namespace: string, ref: TargetRef): Scale | undefined {
    const answer = this.#watches.look(namespace, ref);
    return answer.kind === 'seen' ? this.#latest(namespace, ref, answer.target) : undefined;
  }

  /** @throws ApiError; `NotFound` when the target, its kind, or its scale does not exist. */
  async read(namespace: string, ref: TargetRef): Promise<ReadScale> {
    const object = scaleSchema.parse(
      await this.#api.call('GET', await this.#path(namespace, ref), { timeoutMs: scaleTimeoutMs }),
    );
    const scale = { replicas: object.spec.replicas, selector: object.status.selector };
    this.#tell(namespace, ref, scale);
    return { ...scale, object };
  }

  /**
   * Sets the replicas, if nothing has changed since `scale` was read.
   *
   * @returns false when something has, and nothing was written.
   * @throws ApiError
   */
  async write(namespace: string, ref: TargetRef, scale: ReadScale, replicas: number): Promise<boolean> {
    try {
      await this.#api.call('PUT', await this.#path(namespace, ref), {
        query: { fieldManager },
        body: { ...scale.object, spec: { replicas } },
        timeoutMs: scaleTimeoutMs,
      });
      this.#tell(namespace, ref, { replicas, selector: scale.selector });
      return true;
    } catch (error) {
      if (isConflict(error)) return false;
      throw error;
    }
  }

  /** A watch may be behind what a request has told, most of all after a write of ours. */
  #latest(namespace: string, ref: TargetRef, target: WatchedTarget): Scale {
    const key = targetKey(namespace, ref.kind, ref.name);
    const told = this.#told.get(key);
    if (told?.watchedVersion === target.resourceVersion) return told.scale;
    if (told !== undefined) this.#told.delete(key);
    return target;
  }

  #tell(namespace: string, ref: TargetRef, scale: Scale): void {
    const answer = this.#watches.look(namespace, ref);
    if (answer.kind !== 'seen') return;
    const watchedVersion = answer.target.resourceVersion;
    this.#told.set(targetKey(namespace, ref.kind, ref.name), { scale, watchedVersion });
  }

  async #path(namespace: string, ref: TargetRef): Promise<string> {
    const base = ref.apiVersion.includes('/')
      ? ['apis', ...ref.apiVersion.split('/')]
      : ['api', ref.apiVersion];
    const plural = await this.#plural(path(...base), ref);
    return path(...base, 'namespaces', namespace, plural, ref.name, 'scale');
  }

  async #plural(group: string, { apiVersion, kind }: TargetRef): Promise<string> {
    const key = `${apiVersion} ${kind}`;
    const known = this.#plurals.get(key);
    const nowMs = this.#clock.monotonicMs();
    if (known !== undefined && nowMs - known.atMs < discoveryMs) return known.plural;
    const { resources } = resourcesSchema.parse(await this.#api.call('GET', group));
    const names = new Set(resources.map(({ name }) => name));
    const plural = resources.find(
      (resource) =>
        resource.kind === kind && !resource.name.includes('/') && names.has(`${resource.name}/scale`),
    )?.name;
    if (plural === undefined) {
      const message = `${apiVersion} has no kind ${kind} with a scale; name one that has, e.g. a Deployment of apps/v1`;
      throw new ApiError(`discovery of ${kind}`, { status: 404, reason: 'NotFound', message });
    }
    this.#plurals.set(key, { plural, atMs: nowMs });
    return plural;
  }
}
