import { bareLoop } from './bareLoop.ts';
import { bullmq } from './bullmq.ts';
import { consumeCallback, consumeIterator } from './clientConsume.ts';
import { graphileBatching, graphileWorker } from './graphileWorker.ts';
import type { Peer } from './peer.ts';
import { penstock, penstockAsync } from './penstock.ts';

/** Those that work on JetStream, and so on the same messages. */
export const natsPeers = {
  'bare loop': bareLoop,
  'consume() callback': consumeCallback,
  'consume() iterator': consumeIterator,
  penstock: penstock,
  'penstock, async handler': penstockAsync,
} as const satisfies Record<string, Peer>;

/** Other job systems, on their own stores. */
const otherPeers = {
  BullMQ: bullmq,
  'Graphile Worker': graphileWorker,
  'Graphile Worker, batching': graphileBatching,
} as const satisfies Record<string, Peer>;

export const peers = { ...natsPeers, ...otherPeers };

export type PeerName = keyof typeof peers;
export type NatsPeerName = keyof typeof natsPeers;
