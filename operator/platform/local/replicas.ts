import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import type { ReplicaFacts } from '../../observe/observation.ts';
import type { ReaperLink } from './reaperLink.ts';

/**
 * The replicas of one LocalProcess: what a Deployment and a kubelet are on a cluster, on one machine.
 *
 *     (scale up) → running ──exits by itself──→ waiting (backoff) ──→ running
 *                     │ scale down, new revision, end of the operator
 *                     └──→ terminating (SIGTERM) ──→ gone (SIGKILL after the grace)
 *
 * A replica keeps its name over restarts; a slot that waits for its restart still counts as a replica.
 */
export type Template = {
  /** namespace/name of the LocalProcess, and the stem of replica names. */
  readonly name: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  readonly graceSeconds: number;
  /** A program that sends no heartbeats counts as ready after this time. */
  readonly readyAfterSeconds: number;
};

type Replica = {
  readonly name: string;
  readonly template: Template;
  readonly revision: number;
  /** Monotonic. */
  readonly createdAtMs: number;
  /** Start of the current process, monotonic. */
  startedAtMs: number;
  /** From creation to the first heartbeat; undefined until the current process was heard. */
  readyAfterMs: number | undefined;
  process: ChildProcess | undefined;
  isTerminating: boolean;
  /** Ends in a row that came too soon. */
  failures: number;
  restartAtMs: number;
  message: string | undefined;
};

const firstBackoffMs = 1_000;
const longestBackoffMs = 30_000;
/** A process that lived this long was not failing; the next end counts as the first (as kubelet does, at 10 min). */
const soundAfterMs = 60_000;

export class Replicas {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #reaper: ReaperLink;
  #template: Template;
  #revision = 1;
  #desired = 0;
  #isStopping = false;
  #nextNumber = 1;
  readonly #replicas = new Map<string, Replica>();
  readonly #gone = Promise.withResolvers<undefined>();

  constructor(template: Template, clock: Clock, log: Logger, reaper: ReaperLink) {
    this.#template = template;
    this.#clock = clock;
    this.#log = log;
    this.#reaper = reaper;
  }

  get desired(): number {
    return this.#desired;
  }

  /** Replicas of another revision are replaced: new ones start at once, old ones finish their work. */
  update(template: Template): void {
    if (JSON.stringify(template) === JSON.stringify(this.#template)) return;
    this.#template = template;
    this.#revision += 1;
    this.#log.info({ workload: template.name }, 'template changed; replacing replicas');
    for (const replica of this.#live()) this.#terminate(replica);
    this.#fill();
  }

  /** @param victims ended first, in this order; then the youngest. */
  scale(desired: number, victims: readonly string[]): void {
    this.#desired = desired;
    const surplus = this.#live().length - desired;
    const chosen = victims.map((name) => this.#replicas.get(name)).filter((r) => r?.isTerminating === false);
    const others = this.#live()
      .filter((replica) => !chosen.includes(replica))
      .sort((a, b) => b.createdAtMs - a.createdAtMs);
    for (const replica of [...chosen, ...others].slice(0, Math.max(0, surplus))) {
      if (replica !== undefined) this.#terminate(replica);
    }
    this.#fill();
  }

  /** Restarts whose backoff is over. To be called often: it is the only clock of this class besides the grace. */
  tick(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const replica of this.#live()) {
      if (replica.process === undefined && nowMs >= replica.restartAtMs) this.#start(replica);
    }
  }

  /** @param heard names whose heartbeat says that they run. */
  facts(heard: ReadonlySet<string>): ReplicaFacts[] {
    const nowMs = this.#clock.monotonicMs();
    return [...this.#replicas.values()].map((replica) => {
      if (heard.has(replica.name)) replica.readyAfterMs ??= nowMs - replica.createdAtMs;
      const state = stateOf(replica, nowMs);
      return {
        name: replica.name,
        state,
        ageMs: nowMs - replica.createdAtMs,
        startMs: replica.readyAfterMs,
        revision: `${replica.revision}`,
        message: state === 'failing' ? replica.message : undefined,
      };
    });
  }

  /** Ends all replicas for good, each within its grace; resolves when the last process is gone. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#desired = 0;
    for (const replica of this.#live()) this.#terminate(replica);
    if (this.#replicas.size > 0) await this.#gone.promise;
  }

  /** Ends all replicas without grace. */
  kill(): void {
    for (const { process: child } of this.#replicas.values()) signalGroup(child, 'SIGKILL');
  }

  #live(): Replica[] {
    return [...this.#replicas.values()].filter((replica) => !replica.isTerminating);
  }

  #fill(): void {
    for (let missing = this.#desired - this.#live().length; missing > 0; missing -= 1) {
      const replica: Replica = {
        name: `${this.#template.name}-${this.#nextNumber}`,
        template: this.#template,
        revision: this.#revision,
        createdAtMs: this.#clock.monotonicMs(),
        startedAtMs: 0,
        readyAfterMs: undefined,
        process: undefined,
        isTerminating: false,
        failures: 0,
        restartAtMs: 0,
        message: undefined,
      };
      this.#nextNumber += 1;
      this.#replicas.set(replica.name, replica);
      this.#start(replica);
    }
  }

  #start(replica: Replica): void {
    const { command, env, workingDirectory, graceSeconds } = replica.template;
    const [file = '', ...args] = command;
    replica.startedAtMs = this.#clock.monotonicMs();
    replica.readyAfterMs = undefined;
    // Own process group: a Ctrl-C at the terminal must reach the operator only, and grandchildren end with it.
    const child = spawn(file, args, {
      cwd: workingDirectory,
      env: { ...env, PENSTOCK_REPLICA: replica.name },
      stdio: ['ignore', 2, 2],
      detached: true,
    });
    replica.process = child;
    if (child.pid !== undefined) this.#reaper.add(child.pid, graceSeconds);
    this.#log.info({ replica: replica.name, childPid: child.pid }, 'replica started');
    let isOver = false;
    const onEnd = (message: string): void => {
      if (isOver) return;
      isOver = true;
      if (child.pid !== undefined) this.#reaper.remove(child.pid);
      this.#ended(replica, message);
    };
    child.once('error', (error) => onEnd(`${file} could not be started: ${error.message}`));
    child.once('exit', (code, signal) =>
      onEnd(signal === null ? `exit code ${code ?? 0}` : `ended by ${signal}`),
    );
  }

  #ended(replica: Replica, message: string): void {
    const nowMs = this.#clock.monotonicMs();
    replica.process = undefined;
    if (replica.isTerminating) {
      this.#log.info({ replica: replica.name, message }, 'replica ended');
      this.#replicas.delete(replica.name);
      if (this.#isStopping && this.#replicas.size === 0) this.#gone.resolve(undefined);
      return;
    }
    replica.failures = nowMs - replica.startedAtMs >= soundAfterMs ? 1 : replica.failures + 1;
    const backoffMs = Math.min(longestBackoffMs, firstBackoffMs * 2 ** (replica.failures - 1));
    replica.restartAtMs = nowMs + backoffMs;
    replica.message = message;
    this.#log.warn(
      { replica: replica.name, message, backoffMs },
      'replica ended by itself; it will be restarted',
    );
  }

  #terminate(replica: Replica): void {
    replica.isTerminating = true;
    const child = replica.process;
    if (child === undefined) {
      this.#replicas.delete(replica.name);
      return;
    }
    signalGroup(child, 'SIGTERM');
    const timer = setTimeout(() => {
      this.#log.warn({ replica: replica.name }, 'replica outlived its grace period; killing it');
      signalGroup(child, 'SIGKILL');
    }, replica.template.graceSeconds * 1_000);
    child.once('exit', () => clearTimeout(timer));
  }
}

function stateOf(replica: Replica, nowMs: number): ReplicaFacts['state'] {
  if (replica.isTerminating) return 'terminating';
  if (replica.process === undefined) return 'failing';
  const isOldEnough = nowMs - replica.startedAtMs >= replica.template.readyAfterSeconds * 1_000;
  if (replica.readyAfterMs !== undefined || isOldEnough) return 'ready';
  return replica.failures > 0 ? 'failing' : 'starting';
}

function signalGroup(child: ChildProcess | undefined, signal: NodeJS.Signals): void {
  if (child?.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // Gone between its end and our notice of it.
  }
}
