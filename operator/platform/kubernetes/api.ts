import { request } from 'undici';
import type { Dispatcher } from 'undici';
import { z } from 'zod';
import { describeError } from '#common/errors.ts';
import { ApiError } from './apiError.ts';
import type { Transport } from './transport.ts';

export type Verb = 'GET' | 'POST' | 'PUT' | 'PATCH';

export type CallOptions = {
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON; for PATCH as a merge patch. */
  readonly body?: unknown;
  /** Deadline of the whole call. Default 10 s. */
  readonly timeoutMs?: number;
};

const defaultTimeoutMs = 10_000;
/** No answer that we ask for is longer; a longer one is not read to its end. */
const maxBodyBytes = 64 * 1024 * 1024;
const maxMessageLength = 300;

const statusSchema = z.object({ reason: z.string().optional(), message: z.string().optional() });

/** Names go into paths only through here, so that none can reach another resource. */
export function path(...segments: readonly string[]): string {
  return `/${segments.map((segment) => encodeURIComponent(segment)).join('/')}`;
}

/** Requests to the API server: a deadline on each, answers as JSON, refusals as `ApiError`. Nothing is retried here. */
export class Api {
  readonly #transport: Transport;
  readonly #onRequest: (verb: Verb | 'WATCH') => void;

  /** @param onRequest called with each request that is sent. */
  constructor(transport: Transport, onRequest: (verb: Verb | 'WATCH') => void = () => undefined) {
    this.#transport = transport;
    this.#onRequest = onRequest;
  }

  /** @throws ApiError */
  async call(verb: Verb, where: string, options: CallOptions = {}): Promise<unknown> {
    const what = `${verb} ${where}`;
    this.#onRequest(verb);
    const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    const { statusCode, headers, text } = await this.#exchange(verb, where, options, timeoutMs);
    if (statusCode >= 400) throw refused(what, statusCode, text, headers['retry-after']);
    try {
      return JSON.parse(text) as unknown;
    } catch (error) {
      throw new ApiError(what, {
        status: 0,
        reason: 'Unreadable',
        message: 'the answer is not JSON',
        cause: error,
      });
    }
  }

  async #exchange(
    verb: Verb,
    where: string,
    options: CallOptions,
    timeoutMs: number,
  ): Promise<{ statusCode: number; headers: Dispatcher.ResponseData['headers']; text: string }> {
    try {
      const { statusCode, headers, body } = await this.#send(
        verb,
        where,
        options,
        AbortSignal.timeout(timeoutMs),
      );
      const text = await readText(body);
      this.#transport.heard();
      return { statusCode, headers, text };
    } catch (error) {
      const failure = error instanceof ApiError ? error : unreachable(`${verb} ${where}`, error);
      if (failure.reason === 'Timeout') this.#transport.silent(timeoutMs);
      throw failure;
    }
  }

  /**
   * A watch has been silent beyond its end: unless the server has answered something else lately, the connection is
   * dead, and the next request opens another.
   */
  watchDied(silentMs: number): void {
    this.#transport.silent(silentMs);
  }

  /**
   * The body of a watch as it comes.
   *
   * @throws ApiError when the watch is refused.
   */
  async stream(
    where: string,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    this.#onRequest('WATCH');
    const { statusCode, headers, body } = await this.#send('GET', where, { query }, signal);
    if (statusCode >= 400)
      throw refused(`watch ${where}`, statusCode, await readText(body), headers['retry-after']);
    return body;
  }

  async #send(
    verb: Verb,
    where: string,
    options: CallOptions,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    const search = options.query === undefined ? '' : `?${new URLSearchParams(options.query).toString()}`;
    const contentType = verb === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    try {
      const { server, headers, dispatcher } = await this.#transport.access();
      return await request(`${server}${where}${search}`, {
        method: verb,
        headers: { ...headers, accept: 'application/json', 'content-type': contentType },
        body: options.body === undefined ? null : JSON.stringify(options.body),
        dispatcher,
        signal,
        // A watch may be quiet for long; whoever reads it has a deadline of its own.
        bodyTimeout: 0,
      });
    } catch (error) {
      throw unreachable(`${verb} ${where}`, error);
    }
  }
}

async function readText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBodyBytes) throw new Error(`the answer is longer than ${maxBodyBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function refused(
  what: string,
  status: number,
  text: string,
  retryAfter: string | string[] | undefined,
): ApiError {
  let parsed: z.output<typeof statusSchema> = {};
  try {
    parsed = statusSchema.catch({}).parse(JSON.parse(text));
  } catch {
    // A proxy may answer in another language; the status says enough.
  }
  const seconds = Number(retryAfter);
  return new ApiError(what, {
    status,
    reason: parsed.reason ?? `Status${status}`,
    message: (parsed.message ?? `status ${status}`).slice(0, maxMessageLength),
    retryAfterMs: Number.isFinite(seconds) && seconds >= 0 && seconds <= 3_600 ? seconds * 1_000 : undefined,
  });
}

function unreachable(what: string, error: unknown): ApiError {
  const isTimeout = error instanceof Error && error.name === 'TimeoutError';
  return new ApiError(what, {
    status: 0,
    reason: isTimeout ? 'Timeout' : 'Unreachable',
    message: describeError(error),
    cause: error,
  });
}
