/** What every peer gets to work with. */
export type PeerTask = {
  readonly url: string;
  readonly stream: string;
  readonly consumer: string;
  /** Jobs at once, for those that know slots. */
  readonly slots: number;
  /** Messages to hold at most, for those that only know that. */
  readonly window: number;
  /** To be called for each message before it is acked. */
  readonly handle: () => void;
};

/** Consumes until stopped; every message is handled, then acked by itself, without waiting for the server. */
export type Peer = (task: PeerTask) => Promise<{ stop(): Promise<void> }>;
