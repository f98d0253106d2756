import { z } from 'zod';
import type { Clock } from '#common/clock.ts';
import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import type { Api } from './api.ts';
import { path } from './api.ts';
import { ApiError, isConflict } from './apiError.ts';

export type TargetRef = WorkerPoolSpec['scaleTargetRef'];

/** The scale subresource of a target, as it was read. */
export type Scale = {
  readonly replicas: number;
  /** Label selector of its pods, in the API's own notation. */
  readonly selector: string;
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

type Discovered = { readonly plural: string; readonly atMs: number };

/** Reads and writes `/scale` of whatever kind has one; discovery tells the path. */
export class ScaleTargets {
  readonly #api: Api;
  readonly #clock: Clock;
  readonly #plurals = new Map<string, Discovered>();

  constructor(api: Api, clock: Clock) {
    this.#api = api;
    this.#clock = clock;
  }

  /** @throws ApiError; `NotFound` when the target, its kind, or its scale does not exist. */
  async read(namespace: string, ref: TargetRef): Promise<Scale> {
    const object = scaleSchema.parse(
      await this.#api.call('GET', await this.#path(namespace, ref), { timeoutMs: scaleTimeoutMs }),
    );
    return { replicas: object.spec.replicas, selector: object.status.selector, object };
  }

  /**
   * Sets the replicas, if nothing has changed since `scale` was read.
   *
   * @returns false when something has, and nothing was written.
   * @throws ApiError
   */
  async write(namespace: string, ref: TargetRef, scale: Scale, replicas: number): Promise<boolean> {
    try {
      await this.#api.call('PUT', await this.#path(namespace, ref), {
        query: { fieldManager },
        body: { ...scale.object, spec: { replicas } },
        timeoutMs: scaleTimeoutMs,
      });
      return true;
    } catch (error) {
      if (isConflict(error)) return false;
      throw error;
    }
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
