import type { Clock } from '#common/clock.ts';
import { PenstockError, describeError } from '#common/errors.ts';
import type { NatsSettings } from '#common/nats.ts';
import type { NatsConnectionSpec } from '#crds/nats-connection.ts';
import type { Source, WorkerPoolSpec } from '#crds/worker-pool.ts';
import type { Seen, WorkloadFacts } from '../../observe/observation.ts';
import type { Platform, Pool, ScaleChange, ScaleOutcome } from '../platform.ts';
import type { Api } from './api.ts';
import { isNotFound } from './apiError.ts';
import type { Collection, Collections } from './collections.ts';
import { toReplica } from './pods.ts';
import type { Pod } from './pods.ts';
import { targetKey } from './resources.ts';
import type { PoolResource } from './resources.ts';
import { natsSettings } from './natsSettings.ts';
import { ScaleTargets } from './scaleTargets.ts';
import type { Scale } from './scaleTargets.ts';
import { Secrets } from './secrets.ts';
import type { Secret } from './secrets.ts';
import type { TargetWatches } from './targetWatches.ts';
import { markVictims } from './victims.ts';

/** A pool that is not worked on, and what would change that. */
export type Refusal = {
  readonly pool: PoolResource;
  readonly reason: 'Invalid' | 'TargetConflict' | 'CannotWatch';
  readonly message: string;
};

export type KubernetesParts = {
  readonly api: Api;
  readonly collections: Collections;
  readonly watches: TargetWatches;
  readonly clock: Clock;
  /** Hosts of NATS servers that may be connected to, `*.` patterns included; none means any. */
  readonly allowedHosts: readonly string[];
  /** Asked right before each write: an operator that has lost its lease must not write. */
  readonly mayWrite: () => boolean;
};

/** A target whose status changes faster than we can write is left for the next pass. */
const mostTries = 5;

type Sorted = { readonly accepted: readonly Pool[]; readonly refused: readonly Refusal[] };
/** Settings of a connection, and what they were made of beside it: they stand as long as that is the same. */
type Settled = {
  readonly secrets: ReadonlyMap<string, Secret | Error>;
  readonly settings: NatsSettings | Error;
};
/** What a pool's workload was like; the object itself is the token of `stillness`. */
type Still = { readonly replicas: number; readonly pods: readonly Pod[] };

/** Pools, connections, workloads and pods from watches; replicas are written through `/scale`. */
export class KubernetesPlatform implements Platform {
  readonly #parts: KubernetesParts;
  readonly #targets: ScaleTargets;
  readonly #secrets: Secrets;
  readonly #poolOf = new WeakMap<PoolResource, Pool>();
  readonly #settled = new WeakMap<NatsConnectionSpec, Settled>();
  readonly #still = new WeakMap<WorkerPoolSpec, Still>();
  #sorted: { readonly version: string; readonly value: Sorted } | undefined;

  constructor(parts: KubernetesParts) {
    this.#parts = parts;
    this.#targets = new ScaleTargets(parts.api, parts.clock, parts.watches);
    this.#secrets = new Secrets(parts.api, parts.clock);
  }

  pools(): readonly Pool[] {
    return this.#sort().accepted;
  }

  /** Pools that stand in the way of others, or of themselves. */
  refusals(): readonly Refusal[] {
    return this.#sort().refused;
  }

  resource(pool: Pool): PoolResource | undefined {
    return this.#parts.collections.pools.get(pool.key);
  }

  connection(pool: Pool, source: Source): NatsSettings | Error {
    const key = `${namespaceOf(pool)}/${source.connection}`;
    const found = this.#parts.collections.connections.get(key);
    if (found === undefined)
      return new PenstockError('ConnectionMissing', `there is no NatsConnection "${key}"`);
    const readSecret = (name: string): Secret | Error => this.#secrets.read(namespaceOf(pool), name);
    const settled = this.#settled.get(found);
    if (
      settled !== undefined &&
      [...settled.secrets].every(([name, secret]) => readSecret(name) === secret)
    ) {
      return settled.settings;
    }
    const secrets = new Map<string, Secret | Error>();
    const settings = natsSettings(
      found,
      (name) => note(secrets, name, readSecret(name)),
      this.#parts.allowedHosts,
    );
    this.#settled.set(found, { secrets, settings });
    return settings;
  }

  async workload(pool: Pool): Promise<Seen<WorkloadFacts>> {
    const { clock } = this.#parts;
    try {
      const scale = await this.#targets.current(namespaceOf(pool), pool.spec.scaleTargetRef);
      const replicas = this.#podsOf(pool, scale).map((pod) => toReplica(pod, clock.wallMs()));
      return { kind: 'seen', atMs: clock.monotonicMs(), value: { desired: scale.replicas, replicas } };
    } catch (error) {
      return { kind: isNotFound(error) ? 'absent' : 'unseen', message: describeError(error) };
    }
  }

  stillness(pool: Pool): object | undefined {
    const scale = this.#targets.known(namespaceOf(pool), pool.spec.scaleTargetRef);
    if (scale === undefined) return undefined;
    const { replicas } = scale;
    const pods = this.#podsOf(pool, scale);
    const before = this.#still.get(pool.spec);
    if (before?.replicas === replicas && before.pods === pods) return before;
    const still = { replicas, pods };
    this.#still.set(pool.spec, still);
    return still;
  }

  async scale(pool: Pool, { from, to, victims }: ScaleChange): Promise<ScaleOutcome> {
    const namespace = namespaceOf(pool);
    const ref = pool.spec.scaleTargetRef;
    if (!this.#parts.mayWrite()) return { kind: 'failed', message: 'another operator holds the lease' };
    if (this.resource(pool) === undefined) return { kind: 'failed', message: 'the pool is gone' };
    try {
      let scale = await this.#targets.read(namespace, ref);
      // Only just before they go: marks that stand for long would mislead others.
      if (scale.replicas === from) {
        await markVictims(this.#parts.api, this.#podsOf(pool, scale), new Set(victims));
      }
      // The version of the target changes with its status too, so a conflict may have nothing to do with the replicas.
      for (let tries = 0; scale.replicas === from && tries < mostTries; tries += 1) {
        if (!this.#parts.mayWrite())
          return { kind: 'failed', message: 'the lease was lost before the write' };
        if (await this.#targets.write(namespace, ref, scale, to))
          return { kind: 'scaled', message: `${from} → ${to}` };
        scale = await this.#targets.read(namespace, ref);
      }
      const message =
        scale.replicas === from
          ? `the target changed ${mostTries} times while it was written`
          : `replicas were ${from} when this was decided and are ${scale.replicas} now`;
      return { kind: 'conflict', message };
    } catch (error) {
      return { kind: 'failed', message: describeError(error) };
    }
  }

  #podsOf(pool: Pool, { selector }: Scale): readonly Pod[] {
    return this.#parts.collections.pods.select(namespaceOf(pool), selector);
  }

  #sort(): Sorted {
    const { pools, autoscalers, scaledObjects } = this.#parts.collections;
    const problems = Object.values(this.#needed()).flatMap((collection) =>
      [...collection.states()].map(({ problem }) => problem?.message ?? ''),
    );
    const version = [pools.version, autoscalers.version, scaledObjects.version, ...problems].join(' ');
    if (this.#sorted?.version !== version) this.#sorted = { version, value: this.#sortAnew() };
    return this.#sorted.value;
  }

  /** The older of two pools on one target wins, and another autoscaler always does. */
  #sortAnew(): Sorted {
    const { pools, autoscalers, scaledObjects } = this.#parts.collections;
    const owners = new Map<string, string>();
    for (const { target, name } of autoscalers.values())
      owners.set(target, `HorizontalPodAutoscaler ${name}`);
    // Named instead of the autoscaler that KEDA makes of it, and would make again.
    for (const { target, name } of scaledObjects.values()) owners.set(target, `ScaledObject ${name} of KEDA`);
    const accepted: Pool[] = [];
    const refused: Refusal[] = [];
    const unseenIn = new Map<string, string | undefined>();
    const byAge = [...pools.values()].sort((a, b) => a.createdMs - b.createdMs || (a.uid < b.uid ? -1 : 1));
    for (const pool of byAge) {
      if ('problem' in pool.policy) {
        refused.push({ pool, reason: 'Invalid', message: pool.policy.problem });
        continue;
      }
      if (!unseenIn.has(pool.namespace)) unseenIn.set(pool.namespace, this.#unseenIn(pool.namespace));
      const unseen = unseenIn.get(pool.namespace);
      if (unseen !== undefined) {
        refused.push({ pool, reason: 'CannotWatch', message: unseen });
        continue;
      }
      const { spec } = pool.policy;
      const target = targetKey(pool.namespace, spec.scaleTargetRef.kind, spec.scaleTargetRef.name);
      const owner = owners.get(target);
      if (owner !== undefined) {
        const message = `${spec.scaleTargetRef.kind} ${spec.scaleTargetRef.name} is scaled by ${owner}; remove one of them`;
        refused.push({ pool, reason: 'TargetConflict', message });
        continue;
      }
      owners.set(target, `WorkerPool ${pool.name}`);
      accepted.push(this.#toPool(pool, spec));
    }
    return { accepted, refused };
  }

  /**
   * What has never been seen in a namespace, and without which no pool there can be worked on: who would not know of
   * another autoscaler, or of pods, would scale against it.
   */
  #unseenIn(namespace: string): string | undefined {
    for (const [plural, collection] of Object.entries(this.#needed())) {
      const problem = collection.problemIn(namespace);
      if (problem === undefined) continue;
      const remedy = problem.isForbidden
        ? "the operator's role must allow list and watch on them, as that of the chart does"
        : 'they are asked for again until the API server tells them';
      return `the ${plural} here cannot be watched: ${problem.message}; ${remedy}`;
    }
    return undefined;
  }

  #needed(): Readonly<Record<string, Pick<Collection<never>, 'states' | 'problemIn'>>> {
    const { connections, pods, autoscalers, scaledObjects } = this.#parts.collections;
    return {
      natsconnections: connections,
      pods,
      horizontalpodautoscalers: autoscalers,
      scaledobjects: scaledObjects,
    };
  }

  /** The same object as long as the resource is the same. */
  #toPool(resource: PoolResource, spec: WorkerPoolSpec): Pool {
    let pool = this.#poolOf.get(resource);
    if (pool === undefined) {
      const { namespace, name, writtenReplicas, foundLimitPerSecond } = resource;
      pool = {
        key: `${namespace}/${name}`,
        spec,
        ...(writtenReplicas === undefined ? {} : { writtenReplicas }),
        ...(foundLimitPerSecond === undefined ? {} : { foundLimitPerSecond }),
      };
      this.#poolOf.set(resource, pool);
    }
    return pool;
  }
}

function note<T>(seen: Map<string, T>, name: string, value: T): T {
  seen.set(name, value);
  return value;
}

const namespaceOf = (pool: Pool): string => pool.key.slice(0, pool.key.indexOf('/'));
