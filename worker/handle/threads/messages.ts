import type { LogLevel } from '#common/log.ts';
import type { OutgoingMessage } from '../../produce/wire.ts';
import type { AbortName } from '../context.ts';

/** What a thread is told once. */
export type ThreadSetup = {
  readonly handlerPath: string;
  readonly logLevel: LogLevel;
  /** Name of the channel on which the host speaks to its threads. */
  readonly channel: string;
};

/** A job as it crosses to a thread; the payload's memory goes along. */
export type ThreadJob = {
  readonly id: number;
  readonly data: Uint8Array<ArrayBuffer>;
  readonly headers: ReadonlyMap<string, string>;
  readonly subject: string;
  readonly stream: string;
  readonly sequence: number;
  readonly attempt: number;
  readonly deliveries: number;
  readonly publishedAt: Date;
  readonly idempotencyKey: string;
  readonly deadline: Date;
};

/** `load` only loads the handler, to find out early whether that works. */
export type ThreadTask = ThreadJob | 'load';

/** How it went. A value, since errors lose their names and fields on their way between threads. */
export type ThreadOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'notLoaded'; readonly code: string; readonly message: string }
  | { readonly kind: 'threw'; readonly error: ThrownFacts };

export type ThrownFacts = {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** Of a `RetryLater`. */
  readonly delayMs: number | undefined;
};

/** What the host tells its threads, on one channel for all: each looks for its job. */
export type HostMessage =
  | { readonly kind: 'abort'; readonly id: number; readonly name: AbortName; readonly message: string }
  /** To a call; `error` when it failed. */
  | {
      readonly kind: 'answer';
      readonly id: number;
      readonly call: number;
      readonly error: string | undefined;
    };

/** What a handler in a thread asks of its context in the worker. */
export type ThreadCall = {
  readonly id: number;
  readonly call: number;
  /** Undefined asks for a flush. */
  readonly publish: OutgoingMessage | undefined;
};
