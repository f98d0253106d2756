/**
 * What to do about a status that the server sent for a pull:
 *
 * | kind | meaning |
 * |---|---|
 * | alive | the pull is open; reset the watchdog |
 * | returned | this pull ended with `messages` undelivered (undefined: not told, so all open pulls count as ended) |
 * | repull | every open pull is void; pull again after a short, jittered delay |
 * | recheck | pulling is useless before the consumer was looked at again |
 */
export type Reaction =
  | { readonly kind: 'alive' }
  | { readonly kind: 'returned'; readonly messages: number | undefined }
  | { readonly kind: 'repull'; readonly reason: RepullReason }
  | { readonly kind: 'recheck'; readonly reason: RecheckReason };

export type RepullReason = 'LeadershipChanged' | 'ServerShutdown' | 'NoResponders' | 'TooManyPulls';
export type RecheckReason = 'ConsumerDeleted' | 'RequestRefused' | 'UnknownStatus' | 'NoResponders';

/**
 * The table of status codes of the pull protocol (ADR-37 of nats-architecture-and-design, and the server's
 * consumer.go for the descriptions).
 *
 * @param pendingMessages value of the header `Nats-Pending-Messages`, or '' when there is none.
 */
export function reactTo(code: number, description: string, pendingMessages: string): Reaction {
  switch (code) {
    case 100:
      return { kind: 'alive' };
    case 404:
    case 408:
    case 423:
      return { kind: 'returned', messages: parseCount(pendingMessages) };
    case 409:
      return reactToConflict(description.toLowerCase(), pendingMessages);
    case 503:
      return { kind: 'repull', reason: 'NoResponders' };
    case 400:
    case 412:
      return { kind: 'recheck', reason: 'RequestRefused' };
    default:
      return { kind: 'recheck', reason: 'UnknownStatus' };
  }
}

function reactToConflict(description: string, pendingMessages: string): Reaction {
  if (description.includes('leadership change')) return { kind: 'repull', reason: 'LeadershipChanged' };
  if (description.includes('server shutdown')) return { kind: 'repull', reason: 'ServerShutdown' };
  if (description.includes('exceeded maxwaiting')) return { kind: 'repull', reason: 'TooManyPulls' };
  if (description.includes('consumer deleted')) return { kind: 'recheck', reason: 'ConsumerDeleted' };
  if (description.includes('exceeds maxbytes') || description.includes('batch completed')) {
    return { kind: 'returned', messages: parseCount(pendingMessages) };
  }
  return { kind: 'recheck', reason: 'RequestRefused' };
}

function parseCount(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
