import type { LogLevel } from '#common/log.ts';
import type { OutgoingMessage } from '../../produce/wire.ts';
import type { AbortName } from '../context.ts';
import type { FlightOptions } from '../flight.ts';
import type { ThrownFacts } from './thrown.ts';

/** What a thread is told once. */
export type ThreadSetup = {
  readonly handlerPath: string;
  readonly logLevel: LogLevel;
  /** Name of the channel on which the host tells its threads what is aborted. */
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

/** What the host tells all its threads, on one channel: each looks for its job. */
export type AbortMessage = { readonly id: number; readonly name: AbortName; readonly message: string };

/** What a handler in a thread asks of its job's context in the worker. */
export type Request =
  | { readonly kind: 'publish'; readonly message: OutgoingMessage }
  | { readonly kind: 'flush' }
  /** Answered once the permit is held. */
  | { readonly kind: 'limit'; readonly name: string; readonly weight: number | undefined }
  /** Answered by the result, whoever did the work: this thread, if it is told to take off, or another. */
  | { readonly kind: 'singleFlight'; readonly key: string; readonly options: FlightOptions | undefined };

/** How something went that was asked for on the other side. */
export type Result =
  | { readonly kind: 'done'; readonly value: unknown }
  | { readonly kind: 'threw'; readonly error: ThrownFacts };

/** What a thread tells the host on the port between them. Calls are counted by the thread. */
export type ThreadMessage =
  /** `id` is that of the job. */
  | { readonly kind: 'ask'; readonly id: number; readonly call: number; readonly request: Request }
  /** The permit that `call` was answered by is disposed of. */
  | { readonly kind: 'release'; readonly id: number; readonly call: number }
  /** The work of the single flight that `call` asked for has ended. */
  | { readonly kind: 'landed'; readonly call: number; readonly result: Result };

/** What the host tells a thread on that port, each about a call of the thread. */
export type HostMessage =
  | { readonly kind: 'answer'; readonly call: number; readonly result: Result }
  /** The single flight is led by this call: its function is to be called. */
  | { readonly kind: 'takeOff'; readonly call: number }
  /** Nobody wants the result of that function any more. */
  | { readonly kind: 'unwanted'; readonly call: number; readonly reason: ThrownFacts };
