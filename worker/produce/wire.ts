import { headers } from '@nats-io/transport-node';
import type { MsgHdrs } from '@nats-io/transport-node';
import { z } from 'zod';
import { describeError } from '#common/errors.ts';
import type { PenstockError } from '#common/errors.ts';

export type OutgoingMessage = {
  readonly subject: string;
  readonly data: Uint8Array | string;
  /** `Nats-Msg-Id`: storing it twice within the stream's duplicate window leaves one. */
  readonly id?: string;
  readonly headers?: Readonly<Record<string, string>>;
};

/** Where a message was stored. */
export type Stored = { readonly stream: string; readonly sequence: number; readonly duplicate: boolean };

/** Learns what became of one message. Must not throw. */
export type Settle = {
  readonly stored: (ack: Stored) => void;
  readonly failed: (error: PenstockError) => void;
};

export function buildHeaders({ id, headers: own }: OutgoingMessage): MsgHdrs | undefined {
  if (id === undefined && own === undefined) return undefined;
  const hdrs = headers();
  for (const [name, value] of Object.entries(own ?? {})) hdrs.set(name, value);
  if (id !== undefined) hdrs.set('Nats-Msg-Id', id);
  return hdrs;
}

const decoder = new TextDecoder();
const letterS = 's'.charCodeAt(0);

/** The server begins a confirmation with `{"stream":`, and everything else with something else. */
export function isPlainAck(data: Uint8Array): boolean {
  return data.length > 10 && data[2] === letterS;
}

const ackSchema = z.object({
  stream: z.string().optional(),
  seq: z.number().default(0),
  duplicate: z.boolean().default(false),
  error: z.object({ description: z.string() }).optional(),
});

/** @returns why it was not stored, as text. */
export function readAck(data: Uint8Array): Stored | string {
  if (data.length === 0) return 'no stream listens there; create one, or check the subject';
  try {
    const { stream, seq, duplicate, error } = ackSchema.parse(JSON.parse(decoder.decode(data)));
    if (error !== undefined) return error.description;
    if (stream === undefined) return 'the reply names no stream';
    return { stream, sequence: seq, duplicate };
  } catch (error) {
    return `the reply cannot be read: ${describeError(error)}`;
  }
}
