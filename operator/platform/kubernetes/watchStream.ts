import { z } from 'zod';
import { ApiError } from './apiError.ts';

export type WatchEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: unknown }
  | { readonly type: 'BOOKMARK'; readonly object: unknown };

/** Larger than any object that etcd stores (1.5 MiB), with room for managed fields. */
const maxLineBytes = 8 * 1024 * 1024;

const lineSchema = z.object({
  type: z.enum(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR']),
  object: z.unknown(),
});
const statusSchema = z.object({
  code: z.number().catch(0),
  reason: z.string().optional(),
  message: z.string().optional(),
});

/**
 * The events of a watch, one JSON object per line.
 *
 * @throws ApiError for an ERROR event (an expired resource version comes as one, inside a stream of status 200), and
 *   for a line that is none: what cannot be read must lead to a new list, not to a gap.
 */
export async function* watchEvents(
  body: AsyncIterable<Uint8Array>,
  where: string,
): AsyncGenerator<WatchEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') yield parse(line, where);
    if (rest.length > maxLineBytes) throw unreadable(where, `an event is longer than ${maxLineBytes} bytes`);
  }
}

function parse(line: string, where: string): WatchEvent {
  let event: z.output<typeof lineSchema>;
  try {
    event = lineSchema.parse(JSON.parse(line));
  } catch (cause) {
    throw unreadable(where, 'an event is not one', cause);
  }
  const { type, object } = event;
  if (type !== 'ERROR') return { type, object };
  const { code, reason = 'Error', message = 'no message' } = statusSchema.catch({ code: 0 }).parse(object);
  throw new ApiError(`watch ${where}`, { status: code, reason, message });
}

function unreadable(where: string, message: string, cause?: unknown): ApiError {
  return new ApiError(`watch ${where}`, { status: 0, reason: 'Unreadable', message, cause });
}
