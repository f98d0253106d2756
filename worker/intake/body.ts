import type { IncomingMessage } from 'node:http';
import { Refusal } from './refusal.ts';

/**
 * Reads a request's body, of which no more than `maxBytes` are ever held.
 *
 * @throws Refusal 413, as soon as it is known to be longer; 400 when it ends early.
 */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > maxBytes) throw tooLong(maxBytes);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLong(maxBytes);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal(400, 'the body ended before it was complete');
  }
  return Buffer.concat(chunks);
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** @throws Refusal 400 */
export function requireJson(body: Uint8Array): void {
  try {
    JSON.parse(utf8.decode(body));
  } catch {
    throw new Refusal(400, `the body (${body.length} bytes) is not JSON`);
  }
}

function tooLong(maxBytes: number): Refusal {
  return new Refusal(413, `the body is longer than ${maxBytes} bytes`);
}
