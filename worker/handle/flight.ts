export type FlightOptions = {
  /**
   * Shares the result with the other workers of the fleet for so long, milliseconds; it must survive JSON. Default:
   * not shared, and each worker calls its own function, one worker after the other: let that look into the cache first.
   */
  readonly shareMs?: number;
};

/** Does the work of all who ask for the same. The signal is aborted when none of them wants the result any more. */
export type FlightWork<T> = (signal: AbortSignal) => Promise<T> | T;
