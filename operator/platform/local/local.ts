import { statSync } from 'node:fs';
import type { Clock } from '#common/clock.ts';
import { PenstockError } from '#common/errors.ts';
import type { Logger } from '#common/log.ts';
import type { NatsSettings } from '#common/nats.ts';
import type { LocalProcess } from '#crds/local-process.ts';
import type { Source, WorkerPool } from '#crds/worker-pool.ts';
import type { Seen, WorkloadFacts } from '../../observe/observation.ts';
import type { Platform, Pool, ScaleChange, ScaleOutcome } from '../platform.ts';
import { combine, formatProblem, keyOf, readPolicyFile, workingDirectory } from './policyFiles.ts';
import type { Placed, Policies, Problem, ReadResult } from './policyFiles.ts';
import { ReaperLink } from './reaperLink.ts';
import { Replicas } from './replicas.ts';
import type { Template } from './replicas.ts';

export type LocalOptions = {
  readonly files: readonly string[];
  /** Credentials and TLS of the operator's own environment; the servers come from the NatsConnection. */
  readonly nats: NatsSettings;
  /** What replicas inherit. */
  readonly environment: Readonly<Record<string, string>>;
};

/**
 * Pools from policy files, replicas as child processes of this one. Files are read again when they change; a file
 * with a mistake keeps what it last said, so that a typo in an editor stops nothing.
 */
export class LocalPlatform implements Platform, AsyncDisposable {
  readonly #options: LocalOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #reaper: ReaperLink;
  readonly #replicas = new Map<string, Replicas>();
  /** Of processes that are in no file any more; they finish their work. */
  readonly #leaving = new Set<Replicas>();
  readonly #fileStates = new Map<string, { stamp: string; policies: Policies }>();
  #policies: Policies = { pools: [], connections: [], processes: [] };
  #pools: readonly Pool[] = [];

  /** @throws PenstockError `InvalidPolicy`, listing every mistake as file:line: field: message. */
  constructor(options: LocalOptions, clock: Clock, log: Logger) {
    this.#options = options;
    this.#clock = clock;
    this.#log = log;
    this.#reaper = new ReaperLink(log);
    const problems = this.#read();
    if (problems.length === 0 && this.#pools.length === 0) {
      problems.push({
        file: options.files.join(', '),
        line: 0,
        field: '',
        message: 'there is no WorkerPool in it',
      });
    }
    if (problems.length > 0) throw new PenstockError('InvalidPolicy', problems.map(formatProblem).join('\n'));
    this.#applyTemplates();
  }

  /** Gets ready to run replicas. */
  start(): void {
    this.#reaper.start();
  }

  pools(): readonly Pool[] {
    return this.#pools;
  }

  /** Takes changed files in and restarts what is due. To be called about once a second. */
  tick(): void {
    if (this.#options.files.some((file) => this.#fileStates.get(file)?.stamp !== stampOf(file))) {
      const problems = this.#read();
      for (const problem of problems)
        this.#log.error({ problem: formatProblem(problem) }, 'policy file not taken');
      if (problems.length === 0) this.#log.info({ files: this.#options.files }, 'policy files read again');
      this.#applyTemplates();
    }
    for (const replicas of this.#replicas.values()) replicas.tick();
  }

  connection(pool: Pool, source: Source): NatsSettings | Error {
    const key = keyOf(namespaceOf(pool), source.connection);
    const found = this.#policies.connections.find(({ resource }) => resourceKey(resource) === key);
    if (found === undefined)
      return new PenstockError('ConnectionMissing', `there is no NatsConnection "${key}"`);
    return { ...this.#options.nats, servers: found.resource.spec.servers };
  }

  workload(pool: Pool, heard: ReadonlySet<string>): Promise<Seen<WorkloadFacts>> {
    const replicas = this.#replicas.get(targetKey(pool));
    if (replicas === undefined) {
      return Promise.resolve({ kind: 'absent', message: `there is no LocalProcess "${targetKey(pool)}"` });
    }
    const value = { desired: replicas.desired, replicas: replicas.facts(heard) };
    return Promise.resolve({ kind: 'seen', atMs: this.#clock.monotonicMs(), value });
  }

  stillness(): undefined {
    return undefined; // A machine has few pools.
  }

  scale(pool: Pool, { from, to, victims }: ScaleChange): Promise<ScaleOutcome> {
    const replicas = this.#replicas.get(targetKey(pool));
    if (replicas === undefined) {
      return Promise.resolve({ kind: 'failed', message: `there is no LocalProcess "${targetKey(pool)}"` });
    }
    if (replicas.desired !== from) {
      const message = `replicas were ${from} when this was decided and are ${replicas.desired} now`;
      return Promise.resolve({ kind: 'conflict', message });
    }
    replicas.scale(to, victims);
    return Promise.resolve({ kind: 'scaled', message: `${from} → ${to}` });
  }

  /** Ends every replica without grace; for the second signal. */
  kill(): void {
    for (const replicas of [...this.#replicas.values(), ...this.#leaving]) replicas.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#replicas.values(), ...this.#leaving].map((replicas) => replicas.stop()));
    this.#reaper[Symbol.dispose]();
  }

  #read(): Problem[] {
    const problems: Problem[] = [];
    for (const file of this.#options.files) {
      const stamp = stampOf(file);
      const before = this.#fileStates.get(file);
      if (before?.stamp === stamp) continue;
      const read: ReadResult = readPolicyFile(file);
      problems.push(...read.problems);
      const keepsLast = read.problems.length > 0 && before !== undefined;
      this.#fileStates.set(file, { stamp, policies: keepsLast ? before.policies : read.policies });
    }
    const combined = combine([...this.#fileStates.values()].map(({ policies }) => policies));
    this.#policies = combined.policies;
    this.#pools = combined.policies.pools.map(({ resource }) => ({
      key: resourceKey(resource),
      spec: resource.spec,
    }));
    return [...problems, ...combined.problems];
  }

  /** A process that is no longer in any file ends; a pool that is no longer there leaves its replicas as they are. */
  #applyTemplates(): void {
    const processes = new Map(
      this.#policies.processes.map((placed) => [resourceKey(placed.resource), placed]),
    );
    for (const [key, replicas] of this.#replicas) {
      if (processes.has(key)) continue;
      this.#replicas.delete(key);
      this.#leaving.add(replicas);
      void replicas.stop().then(() => this.#leaving.delete(replicas));
    }
    for (const [key, placed] of processes) {
      const template = this.#template(placed);
      const replicas = this.#replicas.get(key);
      if (replicas === undefined) {
        this.#replicas.set(key, new Replicas(template, this.#clock, this.#log, this.#reaper));
      } else replicas.update(template);
    }
  }

  /** The pool that scales it says where its work is, so that one file is enough to start workers. */
  #template(placed: Placed<LocalProcess>): Template {
    const { metadata, spec } = placed.resource;
    const pool = this.#pools.find((candidate) => targetKey(candidate) === resourceKey(placed.resource));
    const source = pool?.spec.sources[0];
    const settings = pool === undefined || source === undefined ? undefined : this.connection(pool, source);
    return {
      name: metadata.name,
      command: spec.command,
      workingDirectory: workingDirectory(placed),
      graceSeconds: spec.terminationGracePeriodSeconds,
      readyAfterSeconds: pool?.spec.prior.startSeconds ?? 0,
      env: {
        ...this.#options.environment,
        ...(source === undefined
          ? {}
          : { PENSTOCK_STREAM: source.stream, PENSTOCK_CONSUMER: source.consumer }),
        ...(settings === undefined || settings instanceof Error
          ? {}
          : { NATS_URL: settings.servers.join(',') }),
        // Replicas share one machine, so each takes a free port unless it is told otherwise.
        PENSTOCK_HTTP_PORT: '0',
        ...spec.env,
      },
    };
  }
}

function resourceKey({ metadata }: Pick<WorkerPool, 'metadata'> | Pick<LocalProcess, 'metadata'>): string {
  return keyOf(metadata.namespace, metadata.name);
}

const namespaceOf = (pool: Pool): string => pool.key.slice(0, pool.key.indexOf('/'));

const targetKey = (pool: Pool): string => keyOf(namespaceOf(pool), pool.spec.scaleTargetRef.name);

function stampOf(file: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(file);
    return `${mtimeMs} ${size} ${ino}`;
  } catch {
    return 'absent';
  }
}
