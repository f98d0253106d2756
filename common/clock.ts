/** Where impure code gets its time. Pure code takes times as arguments instead. */
export type Clock = {
  /** Milliseconds that never jump or go back: for leases, rates, windows. Its zero means nothing. */
  monotonicMs(): number;
  /** Milliseconds since 1970 (UTC): for what people and other machines read. */
  wallMs(): number;
};

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
};
