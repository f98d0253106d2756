import type { IncomingHttpHeaders } from 'node:http';
import { Refusal } from './refusal.ts';

/** What the message keeps of its request under the same name. */
const kept = ['content-type', 'traceparent', 'tracestate', 'baggage'];
/** Any other header of the message; an HTTP handler gets it under this name again. */
const prefix = 'penstock-header-';
/** Commands to the server, and what workers trust: not for senders. */
const reserved = /^(nats|penstock)-/;
const maxIdChars = 512;

/** @throws Refusal 400, for a header that a sender may not set. */
export function readMessageHeaders(given: IncomingHttpHeaders): {
  readonly id: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
} {
  const id = given['idempotency-key']?.toString();
  if (id !== undefined && (id === '' || id.length > maxIdChars)) {
    throw new Refusal(400, `idempotency-key must have 1 to ${maxIdChars} characters, not ${id.length}`);
  }
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    if (kept.includes(name)) headers[name] = value.toString();
    if (!name.startsWith(prefix)) continue;
    const own = name.slice(prefix.length);
    if (own === '' || reserved.test(own)) throw new Refusal(400, `${name} is not for senders to set`);
    headers[own] = value.toString();
  }
  return { id, headers };
}
