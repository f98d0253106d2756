export const secondsToMs = (seconds: number): number => seconds * 1_000;
export const msToSeconds = (ms: number): number => ms / 1_000;
/** JetStream spells durations in nanoseconds. Exact up to 104 days, as numbers go. */
export const msToNanos = (ms: number): number => Math.round(ms * 1_000_000);
export const nanosToMs = (nanos: number): number => nanos / 1_000_000;
export const megabytesToBytes = (megabytes: number): number => megabytes * 1_000_000;
