import type { Logger } from '#common/log.ts';
import { connectNats } from '#common/nats.ts';
import type { NatsConnection, NatsSettings } from '#common/nats.ts';
import { describeError, toError } from '#common/errors.ts';
import { HeartbeatListener } from './heartbeats.ts';
import { StreamReader } from './streamReader.ts';
import type { Clock } from '#common/clock.ts';

/** A server system that pools look at: the connection and what is heard over it. */
export type Link = {
  /** Another one for each connection, also to the same system. */
  readonly id: number;
  readonly connection: NatsConnection;
  readonly streams: StreamReader;
  readonly heartbeats: HeartbeatListener;
};
export type LinkState =
  { readonly kind: 'up'; readonly link: Link } | { readonly kind: 'down'; readonly message: string };

type Entry = {
  state: LinkState;
  connection: NatsConnection | undefined;
  /** Ends the pause between two attempts. */
  wake: () => void;
  lastUsedMs: number;
};

const firstRetryMs = 250;
const longestRetryMs = 5_000;
const unusedAfterMs = 60_000;

/**
 * One shared connection per NATS system. Asking never waits: a system that does not answer costs its own pools a
 * reason, and the others nothing.
 */
export class Connections implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #entries = new Map<string, Entry>();
  #links = 0;
  readonly #keys = new WeakMap<NatsSettings, string>();

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  get(settings: NatsSettings): LinkState {
    const key = this.#keyOf(settings);
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = {
        state: { kind: 'down', message: `connecting to ${settings.servers.join(', ')}` },
        connection: undefined,
        wake: () => undefined,
        lastUsedMs: 0,
      };
      this.#entries.set(key, entry);
      this.#keepConnected(key, entry, settings).catch((error: unknown) => {
        this.#log.error({ err: error }, 'the loop that keeps a NATS connection ended');
      });
    }
    entry.lastUsedMs = this.#clock.monotonicMs();
    return entry.state;
  }

  /** Resolves when all of these are up, or when the time is over. */
  async settled(wanted: readonly (NatsSettings | Error)[], timeoutMs: number): Promise<void> {
    const settings = wanted.filter((one): one is NatsSettings => !(one instanceof Error));
    const endMs = this.#clock.monotonicMs() + timeoutMs;
    const areUp = (): boolean => settings.every((one) => this.get(one).kind === 'up');
    while (!areUp() && this.#clock.monotonicMs() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Closes what no pool has asked for lately. */
  async closeUnused(): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    const unused = [...this.#entries].filter(([, { lastUsedMs }]) => nowMs - lastUsedMs > unusedAfterMs);
    await Promise.all(unused.map(([key]) => this.#close(key)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#entries.keys()].map((key) => this.#close(key)));
  }

  /** Equal settings share a connection, whoever names them; those that are the same object are known at once. */
  #keyOf(settings: NatsSettings): string {
    let key = this.#keys.get(settings);
    if (key === undefined) {
      key = JSON.stringify(settings);
      this.#keys.set(settings, key);
    }
    return key;
  }

  async #close(key: string): Promise<void> {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    entry.wake();
    await entry.connection?.close();
  }

  async #keepConnected(key: string, entry: Entry, settings: NatsSettings): Promise<void> {
    const isWanted = (): boolean => this.#entries.get(key) === entry;
    let retryMs = firstRetryMs;
    while (isWanted()) {
      try {
        entry.connection = await connectNats(settings, 'penstock-operator');
        retryMs = firstRetryMs;
        await this.#follow(entry, entry.connection, settings);
      } catch (error) {
        entry.state = { kind: 'down', message: describeError(error) };
        this.#log.warn({ err: toError(error), servers: settings.servers, retryMs }, 'NATS is not reachable');
      }
      if (isWanted()) await pause(retryMs, entry);
      retryMs = Math.min(longestRetryMs, retryMs * 2);
    }
    await entry.connection?.close();
  }

  /** Until the connection is closed for good. */
  async #follow(entry: Entry, connection: NatsConnection, settings: NatsSettings): Promise<void> {
    this.#links += 1;
    const link: Link = {
      id: this.#links,
      connection,
      streams: new StreamReader(connection, this.#clock),
      heartbeats: new HeartbeatListener(connection, this.#clock),
    };
    const servers = settings.servers.join(', ');
    entry.state = { kind: 'up', link };
    this.#log.info({ server: connection.getServer() }, 'connected to NATS');
    for await (const status of connection.status()) {
      if (status.type === 'disconnect') {
        entry.state = { kind: 'down', message: `the connection to ${servers} is lost; reconnecting` };
        this.#log.warn({ servers: settings.servers }, 'NATS connection lost');
      } else if (status.type === 'reconnect') {
        entry.state = { kind: 'up', link };
        this.#log.info({ server: connection.getServer() }, 'reconnected to NATS');
      } else if (status.type === 'error') {
        this.#log.warn({ err: status.error }, 'NATS reports an error');
      }
    }
    entry.state = { kind: 'down', message: `the connection to ${servers} was closed` };
  }
}

function pause(ms: number, entry: Entry): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    entry.wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}
