import type { IncomingMessage } from 'node:http';
import type { Clock } from '#common/clock.ts';
import { PenstockError, describeError } from '#common/errors.ts';
import type { Publisher } from '../produce/publisher.ts';
import type { Stored } from '../produce/wire.ts';
import type { Backlog } from './backlog.ts';
import { readBody, requireJson } from './body.ts';
import type { IntakeConfig } from './config.ts';
import type { Gate } from './gate.ts';
import { readMessageHeaders } from './messageHeaders.ts';
import { Refusal } from './refusal.ts';

/** Room that the headers of a message may take of the server's limit. */
const headerBytes = 8_192;

export type IntakeParts = {
  readonly config: IntakeConfig;
  readonly gate: Gate;
  readonly backlog: Backlog;
  readonly clock: Clock;
  readonly publisher: Publisher;
  /** Longest message that the server takes. */
  readonly maxPayloadBytes: number;
};

/**
 * One request, from its first line to its place in the stream.
 *
 * @throws Refusal
 */
export async function takeIn(request: IncomingMessage, parts: IntakeParts): Promise<Stored> {
  const { config, gate, backlog, clock, publisher, maxPayloadBytes } = parts;
  const subject = findSubject(request, config);
  const { id, headers } = readMessageHeaders(request.headers);
  gate.enter(clock.monotonicMs());
  try {
    const body = await readBody(request, Math.min(config.maxBodyBytes, maxPayloadBytes - headerBytes));
    if (config.mustBeJson) requireJson(body);
    const stored = await publisher.publish({ subject, data: body, headers, ...(id !== undefined && { id }) });
    if (!stored.duplicate) backlog.taken();
    return stored;
  } catch (error) {
    throw error instanceof Refusal ? error : notStored(error, config.retryAfterSeconds);
  } finally {
    gate.leave();
  }
}

function findSubject(request: IncomingMessage, { routes }: IntakeConfig): string {
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
  const subject = routes.get(path);
  if (subject === undefined)
    throw new Refusal(404, `nothing is taken in at this path; try ${[...routes.keys()].join(', ')}`);
  if (request.method !== 'POST') throw new Refusal(405, 'send a POST');
  return subject;
}

function notStored(error: unknown, retryAfterSeconds: number): Refusal {
  // The server's words for its error 10054; a repetition would fare no better.
  if (describeError(error).includes('message size exceeds maximum')) {
    return new Refusal(413, 'the message is longer than the stream takes');
  }
  const why = error instanceof PenstockError ? error.message : 'it could not be published';
  return new Refusal(503, `not stored: ${why}`, retryAfterSeconds);
}
