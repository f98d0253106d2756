import { z } from 'zod';
import type { Clock } from '#common/clock.ts';
import { describeError } from '#common/errors.ts';
import type { Logger } from '#common/log.ts';
import { sleep } from '#common/sleep.ts';
import type { Api } from './api.ts';
import { ApiError, isExpired, isForbidden, isNotFound } from './apiError.ts';
import { watchEvents } from './watchStream.ts';

/** What every object has. */
const metadataSchema = z.looseObject({
  name: z.string(),
  namespace: z.string().default(''),
  uid: z.string(),
  resourceVersion: z.string(),
  generation: z.number().optional(),
  creationTimestamp: z.string().optional(),
  deletionTimestamp: z.string().optional(),
  labels: z.record(z.string(), z.string()).default({}),
  annotations: z.record(z.string(), z.string()).default({}),
});
export type Metadata = z.output<typeof metadataSchema>;

export type CacheOptions<T> = {
  /** Of the collection, e.g. `/api/v1/pods`. */
  readonly path: string;
  /**
   * Keeps what is needed of an object; undefined leaves it out. A throw counts as an object that cannot be read.
   *
   * @param before what was kept of an object of the same name, which may be another one.
   */
  readonly read: (object: unknown, metadata: Metadata, before: T | undefined) => T | undefined;
  /**
   * A kind that need not exist, or that we need not be allowed to see: then there are none, and it is looked for again
   * every two minutes. Default false.
   */
  readonly isOptional?: boolean;
  /** Whether a change counts for the version. Default: each does. */
  readonly isNews?: (before: T | undefined, after: T | undefined) => boolean;
  /** Called with each change, after it. */
  readonly onChange?: (before: T | undefined, after: T | undefined) => void;
  /** Default: a watch lasts 60 to 90 s, and is given up 15 s after its end. */
  readonly watch?: WatchTimes;
};

/** The server ends a watch in this time, so a connection that died unnoticed is given up soon after. */
export type WatchTimes = {
  readonly seconds: { readonly atLeast: number; readonly spread: number };
  readonly deadAfterMs: number;
};

/** Why nothing is known of a collection, or nothing any more. */
export type Problem = {
  readonly message: string;
  /** Whether the API server refused it for want of a right, and not for another reason, or none yet. */
  readonly isForbidden: boolean;
};

type Change<T> = { readonly before: T | undefined; readonly after: T | undefined };

const notListed: Problem = { message: 'not listed yet', isForbidden: false };
const pageSize = '500';
const watchTimes: WatchTimes = { seconds: { atLeast: 60, spread: 30 }, deadAfterMs: 15_000 };
const relistAfterMs = 600_000;
const retryMs = { first: 800, longest: 30_000 };
const timeoutMs = 30_000;
/** A right that is missing may be given at any time, and the answer that it is missing costs little. */
const forbiddenAgainMs = 4_000;
/** Less than the time after which a silent watch counts as broken. */
const lookAgainMs = 120_000;

const listSchema = z.object({
  metadata: z.object({ resourceVersion: z.string(), continue: z.string().optional() }),
  items: z.array(z.unknown()).nullable(),
});
const objectSchema = z.looseObject({ metadata: metadataSchema });
const bookmarkSchema = z.object({ metadata: z.object({ resourceVersion: z.string() }) });

/**
 * A collection of the API server as it is now: listed, then watched, listed again when the watch cannot go on, and
 * every ten minutes whatever the watch says. It never ends by itself; what goes wrong is logged, counted, and tried
 * again with growing, jittered pauses.
 */
export class ResourceCache<T> {
  readonly #api: Api;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #options: CacheOptions<T>;
  readonly #random: () => number;
  #entries = new Map<string, T>();
  #resourceVersion: string | undefined;
  #listedMs = 0;
  #heardMs: number | undefined;
  #failure: Problem | undefined;
  /** From a right that was refused until a watch is open. */
  #lacksRight = false;
  #version = 0;
  readonly #tried = Promise.withResolvers<undefined>();

  constructor(
    api: Api,
    options: CacheOptions<T>,
    tools: { clock: Clock; log: Logger; random: () => number },
  ) {
    this.#api = api;
    this.#options = options;
    this.#clock = tools.clock;
    this.#random = tools.random;
    this.#log = tools.log.child({ watch: options.path });
  }

  /** By namespace/name. Empty until the first list. */
  get(key: string): T | undefined {
    return this.#entries.get(key);
  }

  values(): IterableIterator<T> {
    return this.#entries.values();
  }

  /** Resolves when the first list has come, or has failed. */
  get tried(): Promise<undefined> {
    return this.#tried.promise;
  }

  /** Grows with each change that is news. */
  get version(): number {
    return this.#version;
  }

  /**
   * Time since the server last said anything about it, milliseconds; undefined before the first list, and while a right
   * is missing: with the one to list alone, lists come between the refusals.
   */
  get ageMs(): number | undefined {
    return this.#heardMs === undefined || this.#lacksRight
      ? undefined
      : this.#clock.monotonicMs() - this.#heardMs;
  }

  /** Why it is not current; undefined while it is. */
  get lastError(): string | undefined {
    return this.#failure?.message;
  }

  /** Undefined after the first list, while we may watch. */
  get problem(): Problem | undefined {
    return this.#heardMs === undefined || this.#lacksRight ? (this.#failure ?? notListed) : undefined;
  }

  /** Runs until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    let pauseMs = retryMs.first;
    const isOver = (): boolean => signal.aborted;
    while (!isOver()) {
      const startedMs = this.#clock.monotonicMs();
      // What the server has asked us to wait.
      let askedMs = 0;
      try {
        const isDue = startedMs - this.#listedMs > relistAfterMs;
        if (this.#resourceVersion === undefined || isDue) await this.#list();
        await this.#watch(signal);
        this.#failure = undefined;
        pauseMs = retryMs.first;
      } catch (error) {
        if (isOver()) return;
        if (this.#options.isOptional === true && (isNotFound(error) || isForbidden(error))) {
          this.#log.debug({ reason: describeError(error) }, 'taken as none');
          this.#replace(new Map(), undefined);
          await sleep(lookAgainMs * (0.5 + this.#random() / 2), signal);
          continue;
        }
        if (isExpired(error) || isUnreadable(error)) this.#resourceVersion = undefined;
        const message = describeError(error);
        this.#failure = { message, isForbidden: isForbidden(error) };
        this.#tried.resolve(undefined);
        if (isForbidden(error)) {
          this.#forbidden(message);
          await sleep(forbiddenAgainMs * (0.5 + this.#random() / 2), signal);
          continue;
        }
        this.#log.warn({ error: message }, 'watch interrupted');
        if (!isExpired(error)) pauseMs = Math.min(retryMs.longest, pauseMs * 2);
        askedMs = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
      }
      // A server that ends every watch at once must not be asked at once again either.
      const lastedMs = this.#clock.monotonicMs() - startedMs;
      await sleep(Math.max(askedMs, pauseMs * (0.5 + this.#random()) - lastedMs), signal);
    }
  }

  async #list(): Promise<void> {
    const entries = new Map<string, T>();
    let next: string | undefined;
    let version: string;
    do {
      const query = { limit: pageSize, ...(next === undefined ? {} : { continue: next }) };
      const answer = await this.#api.call('GET', this.#options.path, { query, timeoutMs });
      const list = listSchema.parse(answer);
      for (const object of list.items ?? []) this.#store(entries, object);
      if (list.metadata.continue !== undefined) await new Promise(setImmediate); // Others have their turn.
      version = list.metadata.resourceVersion;
      next = list.metadata.continue === '' ? undefined : list.metadata.continue;
    } while (next !== undefined);
    this.#replace(entries, version);
  }

  #replace(entries: Map<string, T>, version: string | undefined): void {
    const before = this.#entries;
    this.#entries = entries;
    for (const [key, item] of entries) this.#changed(before.get(key), item);
    for (const [key, item] of before) if (!entries.has(key)) this.#changed(item, undefined);
    this.#resourceVersion = version;
    this.#listedMs = this.#clock.monotonicMs();
    this.#heard();
    this.#tried.resolve(undefined);
  }

  /** What is kept will grow old from here on, so it does not count; no age of it must end the operator either. */
  #forbidden(message: string): void {
    this.#resourceVersion = undefined;
    this.#heardMs = undefined;
    if (!this.#lacksRight) this.#log.warn({ error: message }, 'a right is missing');
    this.#lacksRight = true;
  }

  async #watch(stop: AbortSignal): Promise<void> {
    const { path, watch: times = watchTimes } = this.#options;
    const seconds = Math.round(times.seconds.atLeast + this.#random() * times.seconds.spread);
    const dead = AbortSignal.timeout(seconds * 1_000 + times.deadAfterMs);
    const query = {
      watch: 'true',
      allowWatchBookmarks: 'true',
      timeoutSeconds: `${seconds}`,
      resourceVersion: this.#resourceVersion ?? '',
    };
    try {
      await this.#follow(await this.#api.stream(path, query, AbortSignal.any([stop, dead])));
    } catch (error) {
      if (dead.aborted) this.#api.watchDied(times.deadAfterMs);
      throw error;
    }
  }

  async #follow(body: AsyncIterable<Uint8Array>): Promise<void> {
    this.#heard();
    // Not with the list already: the right to watch may be the one that is missing.
    this.#lacksRight = false;
    for await (const { type, object } of watchEvents(body, this.#options.path)) {
      this.#heard();
      this.#resourceVersion = bookmarkSchema.parse(object).metadata.resourceVersion;
      if (type === 'BOOKMARK') continue;
      const change = type === 'DELETED' ? this.#delete(object) : this.#store(this.#entries, object);
      this.#changed(change?.before, change?.after);
    }
  }

  #changed(before: T | undefined, after: T | undefined): void {
    if (before === after) return;
    if (this.#options.isNews?.(before, after) ?? true) this.#version += 1;
    this.#options.onChange?.(before, after);
  }

  #store(entries: Map<string, T>, object: unknown): Change<T> | undefined {
    const parsed = objectSchema.safeParse(object);
    if (!parsed.success) return undefined;
    const { metadata } = parsed.data;
    const key = keyOf(metadata);
    const before = this.#entries.get(key);
    let after: T | undefined;
    try {
      after = this.#options.read(object, metadata, before);
    } catch (error) {
      this.#log.warn({ key, error: describeError(error) }, 'object cannot be read; left out');
    }
    if (after === undefined) entries.delete(key);
    else entries.set(key, after);
    return { before, after };
  }

  #delete(object: unknown): Change<T> {
    const key = keyOf(objectSchema.parse(object).metadata);
    const before = this.#entries.get(key);
    this.#entries.delete(key);
    return { before, after: undefined };
  }

  #heard(): void {
    this.#heardMs = this.#clock.monotonicMs();
  }
}

const keyOf = ({ namespace, name }: Pick<Metadata, 'namespace' | 'name'>): string => `${namespace}/${name}`;

/** A list or an event of a shape that we do not know: only a new list can help. */
function isUnreadable(error: unknown): boolean {
  return error instanceof z.ZodError || (error instanceof ApiError && error.reason === 'Unreadable');
}
