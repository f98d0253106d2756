import type { Logger } from '#common/log.ts';
import { toError } from '#common/errors.ts';
import { sleep } from '#common/sleep.ts';
import { emptyHistory } from '../measure/measure.ts';
import { outlookOf } from '../observe/observe.ts';
import type { Outlook } from '../observe/observe.ts';
import type { Pool } from '../platform/platform.ts';
import type { PassReport, PassTimes } from '../report/passReport.ts';
import { Floor } from './floor.ts';
import { Rounds } from './rounds.ts';
import { catchUp, initialState, pass } from './pass.ts';
import type { Parts, PassDetails, PoolState } from './pass.ts';
import { isAtRest, isStill, lastStill, restAfter } from './rest.ts';
import type { Rest, Saying } from './rest.ts';
import { Stages } from './stages.ts';

export type ControllerOptions = {
  /** Time from one look at a pool to the next. */
  readonly periodMs: number;
  /** Whether pools at rest are only looked at, not decided upon, while they stay as they are. */
  readonly mayRest: boolean;
  /** Called after every pass. */
  readonly onReport: (report: PassReport, times: PassTimes, details: PassDetails) => void;
  /** Called when a look has shown that a pool still rests. */
  readonly onStill: (times: Pick<PassTimes, 'latenessMs'>) => void;
  /** Called when a pass itself failed, which is a fault of ours. */
  readonly onPassError: (pool: string, error: Error) => void;
};

/** Passes that run in one go; then it is the turn of others, the renewal of the lease among them. One takes 0.1 ms. */
const passesPerTurn = 20;
/**
 * A round that had to wait for the others for so long reads its streams again: what it has read would soon count as too
 * old, a pool of which nothing is known cannot rest, and the more of them there are the longer the next round waits.
 */
const staleAfterMs = 500;
/** So long the other rounds wait for such a reading. */
const patienceMs = 500;
/** However soon a decision wants to be looked at again, a pool may not keep the operator busy. */
const soonestMs = 100;

type LookTimes = {
  /** As in `observe`. */
  readonly sinceMs: number;
  readonly dueMs: number;
};

/** A pool that is worked on. */
type Member = {
  pool: Pool;
  outlook: Outlook;
  state: PoolState | undefined;
  /** What the last decision said. */
  last: Saying | undefined;
  rest: Rest | undefined;
  /** When the next look was due, if that is over. */
  overdueMs: number | undefined;
  /** The pass that is under way. */
  running: Promise<void> | undefined;
  /** For a look before the next round. */
  soon: NodeJS.Timeout | undefined;
  isGone: boolean;
};

/**
 * When passes run. Pools that look at the same streams are looked at in one round, so that they share its requests;
 * their passes then run side by side, and a slow or broken one delays no other. Level-triggered: a pass that failed is
 * not retried, the next one starts from what is there then.
 */
export class Controller {
  readonly #parts: Parts;
  readonly #options: ControllerOptions;
  readonly #log: Logger;
  readonly #members = new Map<string, Member>();
  readonly #stages = new Stages();
  readonly #floor = new Floor();
  readonly #rounds: Rounds<Member>;

  constructor(parts: Parts, options: ControllerOptions, log: Logger) {
    this.#parts = parts;
    this.#options = options;
    this.#log = log;
    this.#rounds = new Rounds(parts.clock, options.periodMs, (members, dueMs) => this.#round(members, dueMs));
  }

  /** Takes in pools that are new or changed, and lets go of those that are gone. To be called about once a period. */
  sync(): void {
    const { platform, connections } = this.#parts;
    const gone = new Set(this.#members.keys());
    // Asked for once, not in every pass: a platform may have to sort all of them to say which count.
    for (const pool of platform.pools()) {
      gone.delete(pool.key);
      const known = this.#members.get(pool.key);
      const outlook = outlookOf(pool, platform, connections, known?.outlook);
      const member = known ?? this.#join(pool, outlook);
      if (member.pool !== pool) this.#change(member, pool);
      if (member.outlook.key !== outlook.key) this.#rounds.leave(member.outlook.key, member);
      member.outlook = outlook;
      this.#rounds.join(outlook.key, member);
    }
    for (const key of gone) {
      this.#leave(key);
      this.#log.info({ pool: key }, 'pool is not worked on any more; its replicas stay as they are');
    }
    this.#stages.keepOnly(this.#members);
  }

  /** Ends all rounds; resolves when no pass is under way. */
  async stop(): Promise<void> {
    const running = [...this.#members.values()].map((member) => member.running);
    for (const key of [...this.#members.keys()]) this.#leave(key);
    await Promise.all([...running, this.#rounds.stop()]);
  }

  /** One pass over each pool, side by side. */
  async once(): Promise<PassReport[]> {
    const pools = this.#parts.platform.pools();
    const nowMs = this.#parts.clock.monotonicMs();
    const state = initialState(nowMs);
    const results = await Promise.all(pools.map((pool) => pass(pool, state, this.#parts, [], nowMs)));
    return results.map(({ report }) => report);
  }

  #join(pool: Pool, outlook: Outlook): Member {
    const member: Member = {
      pool,
      outlook,
      state: undefined,
      last: undefined,
      rest: undefined,
      overdueMs: undefined,
      running: undefined,
      soon: undefined,
      isGone: false,
    };
    this.#members.set(pool.key, member);
    return member;
  }

  #change(member: Member, pool: Pool): void {
    if (member.pool.spec !== pool.spec) {
      member.rest = undefined;
      // Figures of one consumer say nothing about another.
      const isSame = JSON.stringify(member.pool.spec.sources) === JSON.stringify(pool.spec.sources);
      if (!isSame && member.state !== undefined) member.state = { ...member.state, history: emptyHistory };
    }
    member.pool = pool;
  }

  #leave(key: string): void {
    const member = this.#members.get(key);
    if (member === undefined) return;
    member.isGone = true;
    clearTimeout(member.soon);
    this.#rounds.leave(member.outlook.key, member);
    this.#members.delete(key);
  }

  /** Rounds read side by side, and go over their pools one after the other: what was read is used soon. */
  async #round(members: ReadonlySet<Member>, dueMs: number): Promise<void> {
    const { clock } = this.#parts;
    let sinceMs = clock.monotonicMs();
    await refresh(members, sinceMs);
    const readMs = clock.monotonicMs();
    await this.#floor.take();
    try {
      if (clock.monotonicMs() - readMs > staleAfterMs) {
        sinceMs = clock.monotonicMs();
        // A pool waits for its own streams in any case; the other rounds do not wait for long.
        await patiently(refresh(members, sinceMs));
      }
      await this.#passOver(members, { sinceMs, dueMs });
    } finally {
      this.#floor.leave();
    }
  }

  async #passOver(members: ReadonlySet<Member>, { sinceMs, dueMs }: LookTimes): Promise<void> {
    let passes = 0;
    for (const member of members) {
      // A pass that outlasts the period makes the next one late.
      const overdueMs = (member.overdueMs ??= dueMs);
      if (member.running !== undefined) continue;
      if (this.#staysAtRest(member)) {
        this.#options.onStill({ latenessMs: this.#parts.clock.monotonicMs() - dueMs });
        member.overdueMs = undefined;
        continue;
      }
      this.#start(member, { sinceMs, dueMs: overdueMs });
      passes += 1;
      if (passes % passesPerTurn === 0) await new Promise(setImmediate);
    }
  }

  /** Whether a pool that rested still does. */
  #staysAtRest(member: Member): boolean {
    const { rest, pool, outlook } = member;
    const nowMs = this.#parts.clock.monotonicMs();
    if (rest === undefined || nowMs >= rest.untilMs || outlook.views.length === 0) return false;
    if (this.#parts.platform.stillness(pool) !== rest.workload) return false;
    for (const [index, { link, source }] of outlook.views.entries()) {
      const { stream, consumer } = source;
      const isHeard = link.heartbeats.isHeard(stream, consumer);
      if (!isStill(rest.observation.sources[index], link.streams.latest(stream, consumer), isHeard))
        return false;
    }
    rest.still.atMs = nowMs;
    for (const [index, { link, source }] of outlook.views.entries()) {
      rest.still.consumers[index] = link.streams.latest(source.stream, source.consumer);
    }
    return true;
  }

  /** Unless it is under way already, or the pool has gone. */
  #start(member: Member, times: LookTimes): void {
    if (member.isGone || member.running !== undefined) return;
    member.overdueMs = undefined;
    clearTimeout(member.soon);
    member.running = this.#pass(member, times).finally(() => (member.running = undefined));
  }

  async #pass(member: Member, { sinceMs, dueMs }: LookTimes): Promise<void> {
    const { pool, rest } = member;
    const startedAtMs = this.#parts.clock.monotonicMs();
    try {
      const before = member.state ?? initialState(startedAtMs, pool);
      const fed = this.#stages.fedBy(pool);
      const still = rest === undefined ? undefined : lastStill(rest);
      const state = still === undefined ? before : catchUp(pool, before, still, fed);
      const { report, details, nextCheckMs, ...result } = await pass(pool, state, this.#parts, fed, sinceMs);
      this.#stages.note(pool, details.decision, fed, this.#parts.clock.monotonicMs());
      // A change of the sources in the meantime has emptied the history, and counts.
      if (member.pool === pool || member.state === undefined) member.state = result.state;
      member.rest = this.#restAfter(details, member.last, startedAtMs + nextCheckMs);
      member.last = { message: details.decision.message, recommended: details.decision.recommended };
      const passMs = this.#parts.clock.monotonicMs() - startedAtMs;
      this.#options.onReport(report, { passMs, latenessMs: startedAtMs - dueMs }, details);
      if (nextCheckMs < this.#options.periodMs)
        this.#lookSoon(member, startedAtMs + Math.max(soonestMs, nextCheckMs));
    } catch (thrown) {
      const error = toError(thrown);
      member.rest = undefined;
      this.#log.error({ err: error, pool: pool.key }, 'pass failed; the pool is left as it is');
      this.#options.onPassError(pool.key, error);
    }
  }

  #restAfter(details: PassDetails, before: Saying | undefined, untilMs: number): Rest | undefined {
    if (!this.#options.mayRest || !isAtRest(details, before)) return undefined;
    const workload = this.#parts.platform.stillness(details.pool);
    return workload === undefined ? undefined : restAfter(details.observation, untilMs, workload);
  }

  /** A decision that wants to be looked at again before the next round. */
  #lookSoon(member: Member, dueMs: number): void {
    if (member.isGone) return;
    member.soon = setTimeout(
      () => this.#start(member, { sinceMs: this.#parts.clock.monotonicMs(), dueMs }),
      Math.max(0, dueMs - this.#parts.clock.monotonicMs()),
    );
  }
}

/** Waits for it, though not for ever. */
async function patiently(reading: Promise<void>): Promise<void> {
  const isRead = new AbortController();
  await Promise.race([reading.finally(() => isRead.abort()), sleep(patienceMs, isRead.signal)]);
}

/** Reads the streams that these pools look at, all at once. */
async function refresh(members: ReadonlySet<Member>, sinceMs: number): Promise<void> {
  const [first] = members;
  const views = first?.outlook.views ?? [];
  await Promise.all(
    views.map(({ link, source: { stream } }, index) =>
      link.streams.refresh(stream, consumersAt(members, index), sinceMs),
    ),
  );
}

/** All of a round have the same streams in the same order. */
function* consumersAt(members: ReadonlySet<Member>, index: number): Generator<string> {
  for (const { outlook } of members) {
    const view = outlook.views[index];
    if (view !== undefined) yield view.source.consumer;
  }
}
