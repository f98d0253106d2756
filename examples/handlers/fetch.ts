/**
 * A polite fetcher: gets a page and publishes it on FETCH_TO (default PAGES.new). How often it may ask a host is
 * configuration: PENSTOCK_KEY=header:host with PENSTOCK_KEY_RATE_PER_SECOND. A host that says when to come back is
 * obeyed, and what is gone is not asked for again.
 */
import { z } from 'zod';
import { Discard, RetryLater } from '../../worker/index.ts';
import type { Handler } from '../../worker/index.ts';

const requestSchema = z.object({ url: z.url({ protocol: /^https?$/ }) });
const to = process.env['FETCH_TO'] ?? 'PAGES.new';
const maxBytes = 900_000;

const fetchPage: Handler = async (job, context) => {
  const request = requestSchema.safeParse(job.json());
  if (!request.success) throw new Discard(`not a request for a page: ${z.prettifyError(request.error)}`);
  const { url } = request.data;
  const reply = await fetch(url, { signal: context.signal, headers: { 'user-agent': 'penstock-example' } });
  if (reply.status === 429 || reply.status === 503) {
    const seconds = Number(reply.headers.get('retry-after') ?? NaN);
    throw new RetryLater(Number.isFinite(seconds) ? 1_000 * seconds : undefined, `${url} asks for a pause`);
  }
  if (reply.status >= 400 && reply.status < 500) throw new Discard(`${url} answered ${reply.status}`);
  if (!reply.ok) throw new Error(`${url} answered ${reply.status}`);
  const data = await readBounded(reply, url);
  await context.publish({ subject: to, data, headers: { url } });
  context.logger.info({ url, bytes: data.length }, 'fetched');
};

export default fetchPage;

/** A page that never ends must not fill the memory. */
async function readBounded(reply: Response, url: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (reply.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Discard(`${url} has more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
