import type { NatsSettings } from '#common/nats.ts';
import type { Source, WorkerPoolSpec } from '#crds/worker-pool.ts';
import type { Seen, WorkloadFacts } from '../observe/observation.ts';

/** A policy as the operator works on it. */
export type Pool = {
  /** namespace/name: unique on one platform. */
  readonly key: string;
  readonly spec: WorkerPoolSpec;
  /** Replicas that an earlier run of the operator wrote last, where the platform keeps that. */
  readonly writtenReplicas?: number;
  /** Jobs per second that an earlier run found something behind the replicas to let through, likewise. */
  readonly foundLimitPerSecond?: number;
};

/**
 * Where pools and replicas live. Everything the operator reads or changes outside of NATS goes through this port;
 * test/contract holds what each implementation must do.
 */
export type Platform = {
  /** The pools that exist now and are valid. Cheap: called at every turn of the controller. */
  pools(): readonly Pool[];
  /** How to reach a source of a pool; an Error names what is missing. */
  connection(pool: Pool, source: Source): NatsSettings | Error;
  /**
   * The replicas as they are.
   *
   * @param heard replicas whose heartbeat says that they run, for platforms that know readiness only from there.
   */
  workload(pool: Pool, heard: ReadonlySet<string>): Promise<Seen<WorkloadFacts>>;
  /**
   * A token that stays the same object as long as `workload` would tell the same, ages apart: it saves looking at a pool
   * that rests. Undefined when that is not known, or while something is under way.
   */
  stillness(pool: Pool): object | undefined;
  /** Sets the number of replicas. Never adds to or subtracts from it, so that a repeated call does no harm. */
  scale(pool: Pool, change: ScaleChange): Promise<ScaleOutcome>;
};

export type ScaleChange = {
  /** What the decision was made on: when it is no longer so, nothing is written (`conflict`). */
  readonly from: number;
  readonly to: number;
  /** Replicas to end first, in this order; as many as `from - to`, or none. */
  readonly victims: readonly string[];
};

export type ScaleOutcome =
  | { readonly kind: 'scaled'; readonly message: string }
  | { readonly kind: 'conflict'; readonly message: string }
  | { readonly kind: 'failed'; readonly message: string };
