import { Pool } from 'undici';
import type { Dispatcher } from 'undici';
import { PenstockError, describeError } from '#common/errors.ts';
import type { Logger } from '#common/log.ts';
import { sleep } from '#common/sleep.ts';
import type { Job } from '../../consume/job.ts';
import { Discard, RetryLater } from '../../outcome/verdict.ts';
import type { JobContext } from '../context.ts';
import type { HandlerHost } from '../host.ts';
import { explainUnreachable } from './reach.ts';
import { buildRequestHeaders } from './requestHeaders.ts';
import { judgeStatus } from './status.ts';

/** Shorter than the idle time of common servers, so that a job never rides on a connection that is just being closed. */
const keepAliveMs = 1_000;
const connectTimeoutMs = 5_000;
/** A sidecar that restarts costs no attempt: nothing has reached it, so nothing can have happened. */
const patienceMs = 10_000;
const firstRetryMs = 50;
const maxRetryMs = 1_000;
const warningEveryMs = 10_000;
/** Of an answer that is no success; the error quotes it. */
const excerptBytes = 1_024;
/** A longer answer to a success is not read to its end: its connection is closed instead. */
const maxAnswerBytes = 65_536;
const notReached: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/**
 * Jobs go to a server in any language: one `POST` each, with the payload as its body. The slots bound the connections.
 *
 * @throws PenstockError `InvalidHandler` when the address cannot be used.
 */
export function openHttpHandler(address: string): HandlerHost {
  const url = parseAddress(address);
  const pool = new Pool(url.origin, {
    pipelining: 1,
    keepAliveTimeout: keepAliveMs,
    keepAliveMaxTimeout: keepAliveMs,
    // The job's time limit ends a request, and nothing else does.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: connectTimeoutMs },
  });
  const path = `${url.pathname}${url.search}`;
  return {
    handle: async (job, context) => {
      const response = await post(pool, path, job, context);
      await settle(response, url);
    },
    prepare: (signal, log) => awaitServer(url, signal, log),
    [Symbol.asyncDispose]: () => pool.destroy(),
  };
}

function parseAddress(address: string): URL {
  const url = URL.parse(address);
  if (url !== null && url.username === '' && url.password === '' && url.hash === '') return url;
  throw new PenstockError(
    'InvalidHandler',
    `handler ${address}: must look like http://HOST:PORT/PATH, without user information and fragment`,
  );
}

async function post(
  pool: Pool,
  path: string,
  job: Job,
  { signal, deadline }: JobContext,
): Promise<Dispatcher.ResponseData> {
  const request = {
    method: 'POST',
    path,
    headers: buildRequestHeaders(job, deadline),
    body: job.data,
    signal,
  } as const;
  const startMs = performance.now();
  for (let delayMs = firstRetryMs; ; delayMs = Math.min(2 * delayMs, maxRetryMs)) {
    try {
      return await pool.request(request);
    } catch (error) {
      signal.throwIfAborted();
      if (performance.now() - startMs > patienceMs || !notReached.has(codeOf(error))) {
        throw new Error(`the HTTP handler did not answer: ${describeError(error)}`, { cause: error });
      }
    }
    await sleep(delayMs, signal);
    signal.throwIfAborted();
  }
}

/** @throws Discard, RetryLater or Error, for every answer that is no success. */
async function settle({ statusCode, headers, body }: Dispatcher.ResponseData, url: URL): Promise<void> {
  const retryAfter = headers['retry-after'];
  const answer = judgeStatus(statusCode, Array.isArray(retryAfter) ? retryAfter[0] : retryAfter, Date.now());
  if (answer.kind === 'ack') {
    // The status was the answer; what may come after it is of no interest, but the connection is.
    await body.dump({ limit: maxAnswerBytes }).catch(() => undefined);
    return;
  }
  const said = await readExcerpt(body);
  const message = `${url.origin} answered ${statusCode}${said === '' ? '' : `: ${said}`}`;
  if (answer.kind === 'discard') throw new Discard(message);
  if (answer.delayMs === undefined) throw new Error(message);
  throw new RetryLater(answer.delayMs, message);
}

/** Ends early, and then closes the connection, when there is more. */
async function readExcerpt(body: Dispatcher.ResponseData['body']): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > excerptBytes) break;
    }
  } catch {
    // The status has been said; the text beside it is a courtesy.
  }
  return Buffer.concat(chunks).subarray(0, excerptBytes).toString().trim();
}

async function awaitServer(url: URL, signal: AbortSignal, log: Logger): Promise<void> {
  let warnedMs = -Infinity;
  for (let delayMs = firstRetryMs; !signal.aborted; delayMs = Math.min(2 * delayMs, maxRetryMs)) {
    const missing = await explainUnreachable(url, connectTimeoutMs);
    if (missing === undefined) return;
    if (performance.now() - warnedMs > warningEveryMs) {
      warnedMs = performance.now();
      log.warn({ handler: url.origin, error: missing }, 'the HTTP handler is not there yet');
    }
    await sleep(delayMs, signal);
  }
}

/** The code of the error or of its causes. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  return 'code' in error && typeof error.code === 'string' ? error.code : codeOf(error.cause);
}
