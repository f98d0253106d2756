/**
 * SIGTERM and SIGINT in two levels: the first asks for an orderly end, the second for an end at once. Later ones
 * change nothing. Disposing stops listening, so that the process can end by itself.
 */
export type Shutdown = Disposable & {
  /** Aborted by the first signal; its reason is the signal's name. */
  readonly requested: AbortSignal;
  /** Aborted by the second signal. */
  readonly forced: AbortSignal;
};

export function listenForShutdown(): Shutdown {
  const requested = new AbortController();
  const forced = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => {
    if (!requested.signal.aborted) requested.abort(signal);
    else if (!forced.signal.aborted) forced.abort(signal);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  return {
    requested: requested.signal,
    forced: forced.signal,
    [Symbol.dispose]() {
      process.off('SIGTERM', onSignal);
      process.off('SIGINT', onSignal);
    },
  };
}
