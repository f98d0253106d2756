import { headers } from '@nats-io/transport-node';
import type { MsgHdrs } from '@nats-io/transport-node';
import type { DeadLetterReason } from '../outcome/verdict.ts';
import { idempotencyKeyHeader, letterHeaders } from './headers.ts';

const maxTextChars = 1_024;
const maxStackChars = 2_048;
/** Headers of the original are carried along up to this size, so that a dead letter can be sent back as it was. */
const maxCopiedHeaderBytes = 4_096;

/** A job that was given up. */
export type Deceased = {
  readonly stream: string;
  readonly consumer: string;
  readonly sequence: number;
  readonly subject: string;
  /** Milliseconds since 1970. */
  readonly publishedAtMs: number;
  /** Deliveries in all. */
  readonly attempts: number;
  readonly idempotencyKey: string;
  /** Throws when the client cannot read them. */
  readonly headers: () => Iterable<readonly [name: string, values: readonly string[]]>;
};

export type Death = {
  readonly reason: DeadLetterReason;
  readonly error: Error;
  /** Milliseconds since 1970. */
  readonly atMs: number;
};

/** Whoever writes the dead letter of a job gives it this message id, so that there is one. */
function letterId({ stream, sequence, consumer }: Deceased): string {
  return `${stream}:${sequence}:${consumer}`;
}

/**
 * The headers of a dead letter: docs/worker.md lists them.
 *
 * @param letterStream where it is to be stored.
 */
export function composeHeaders(job: Deceased, death: Death, letterStream: string): MsgHdrs {
  const hdrs = copyHeaders(job);
  const set = (name: string, value: string | number): void => hdrs.set(name, singleLine(`${value}`));
  set('Nats-Expected-Stream', letterStream);
  set('Nats-Msg-Id', letterId(job));
  set(idempotencyKeyHeader, job.idempotencyKey);
  set(letterHeaders.reason, death.reason);
  set(letterHeaders.error, death.error.message);
  const frames = framesOf(death);
  if (frames !== '') hdrs.set(letterHeaders.stack, frames);
  set(letterHeaders.attempts, job.attempts);
  set(letterHeaders.originStream, job.stream);
  set(letterHeaders.originConsumer, job.consumer);
  set(letterHeaders.originSequence, job.sequence);
  set(letterHeaders.originSubject, job.subject);
  set(letterHeaders.publishedAt, new Date(job.publishedAtMs).toISOString());
  set(letterHeaders.failedAt, new Date(death.atMs).toISOString());
  return hdrs;
}

function copyHeaders(job: Deceased): MsgHdrs {
  const copy = headers();
  let bytes = 0;
  try {
    for (const [name, values] of job.headers()) {
      // Those of NATS itself are instructions to the server (dedupe, expectations, TTL) for the original only.
      if (/^(?:nats|penstock)-/i.test(name)) continue;
      for (const value of values) {
        bytes += name.length + value.length;
        if (bytes > maxCopiedHeaderBytes) return copy;
        copy.append(name, singleLine(value));
      }
    }
  } catch {
    // A header block that the client cannot read is left behind; what was read so far stays.
  }
  return copy;
}

/** Where a handler threw; '' when nobody did. The message stands elsewhere, and its lines are no frames. */
function framesOf({ reason, error: { stack = '' } }: Death): string {
  if (reason === 'Expired' || reason === 'DeliveriesExhausted') return '';
  const frames = stack.split('\n').filter((line) => /^ +at /.test(line));
  return singleLine(frames.map((frame) => frame.trim()).join('; '), maxStackChars);
}

function singleLine(text: string, maxChars = maxTextChars): string {
  return text
    .slice(0, maxChars)
    .replace(/\p{Cc}+/gu, ' ')
    .trim();
}
