import { bareLoop } from './bareLoop.ts';
import { consumeCallback, consumeIterator } from './clientConsume.ts';
import type { Peer } from './peer.ts';
import { penstock, penstockAsync } from './penstock.ts';

export const peers = {
  'bare loop': bareLoop,
  'consume() callback': consumeCallback,
  'consume() iterator': consumeIterator,
  penstock: penstock,
  'penstock, async handler': penstockAsync,
} as const satisfies Record<string, Peer>;

export type PeerName = keyof typeof peers;
