import { MessageChannel, parentPort } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { PenstockError, describeError } from '#common/errors.ts';
import type { FlightOptions, FlightWork } from '../flight.ts';
import type { Permit } from '../limits.ts';
import type { HostMessage, Request, Result, ThreadMessage } from './messages.ts';
import { factsOf, rebuild } from './thrown.ts';

/** The function of a single flight. Called at most once, and only if its call is the one that leads. */
type Work = {
  readonly key: string;
  readonly work: FlightWork<unknown>;
  readonly noLongerWanted: AbortController;
  hasTakenOff: boolean;
};

/** The host as its thread sees it: what needs the connection, or is shared with other threads, is done over there. */
export class HostPort {
  readonly #port: MessagePort;
  readonly #calls = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #works = new Map<number, Work>();
  #lastCall = 0;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#port.on('message', (message: HostMessage) => this.#receive(message));
    parentPort?.postMessage(port2, [port2]);
  }

  /** @throws what the context of job `id` throws in the worker. */
  async ask(id: number, request: Request): Promise<void> {
    await this.#ask(id, this.#nextCall(), request);
  }

  /** @throws as `JobContext.limit` does. */
  async limit(id: number, name: string, weight: number | undefined): Promise<Permit> {
    const call = this.#nextCall();
    await this.#ask(id, call, { kind: 'limit', name, weight });
    return { [Symbol.dispose]: () => this.#tell({ kind: 'release', id, call }) };
  }

  /** @throws as `JobContext.singleFlight` does; PenstockError `NotCloneable` when the result cannot leave its thread. */
  async singleFlight<T>(
    id: number,
    key: string,
    work: FlightWork<T>,
    options: FlightOptions | undefined,
  ): Promise<T> {
    const call = this.#nextCall();
    const own: Work = { key, work, noLongerWanted: new AbortController(), hasTakenOff: false };
    this.#works.set(call, own);
    try {
      // All who use a key want the same: that is what the key says.
      return (await this.#ask(id, call, { kind: 'singleFlight', key, options })) as T;
    } finally {
      // Work that others still wait for goes on, and leaves when it has ended.
      if (!own.hasTakenOff) this.#works.delete(call);
    }
  }

  #nextCall(): number {
    return (this.#lastCall += 1);
  }

  #ask(id: number, call: number, request: Request): Promise<unknown> {
    const answer = Promise.withResolvers<unknown>();
    this.#calls.set(call, answer);
    this.#tell({ kind: 'ask', id, call, request });
    return answer.promise;
  }

  #tell(message: ThreadMessage): void {
    this.#port.postMessage(message);
  }

  #receive(message: HostMessage): void {
    const { call } = message;
    switch (message.kind) {
      case 'answer':
        this.#answer(call, message.result);
        return;
      case 'takeOff':
        void this.#takeOff(call);
        return;
      case 'unwanted':
        this.#works.get(call)?.noLongerWanted.abort(rebuild(message.reason));
        return;
    }
  }

  #answer(call: number, result: Result): void {
    const answer = this.#calls.get(call);
    this.#calls.delete(call);
    if (result.kind === 'done') answer?.resolve(result.value);
    else answer?.reject(rebuild(result.error));
  }

  async #takeOff(call: number): Promise<void> {
    const own = this.#works.get(call);
    if (own !== undefined) own.hasTakenOff = true;
    const result = await fly(own);
    this.#works.delete(call);
    try {
      this.#tell({ kind: 'landed', call, result });
    } catch (error) {
      const failure = new PenstockError(
        'NotCloneable',
        `the result of single flight "${own?.key}" cannot leave its thread (${describeError(error)}); return plain data`,
      );
      this.#tell({ kind: 'landed', call, result: { kind: 'threw', error: factsOf(failure) } });
    }
  }
}

async function fly(own: Work | undefined): Promise<Result> {
  try {
    // Its job was aborted first; one of those who wait leads the next flight.
    if (own === undefined) throw new Error('the job that was to lead the flight has ended');
    return { kind: 'done', value: await own.work(own.noLongerWanted.signal) };
  } catch (error) {
    return { kind: 'threw', error: factsOf(error) };
  }
}
