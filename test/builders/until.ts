/**
 * Waits for a state of the world by looking again and again; for tests that have no event to await.
 *
 * @returns the first value that is neither undefined, null nor false.
 * @throws when it does not come about in time, naming what was waited for and what was seen last.
 */
export async function until<T>(
  what: string,
  look: () => T | undefined | null | false | Promise<T | undefined | null | false>,
  timeoutMs = 60_000,
  pauseMs = 20,
): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  let lastError: unknown;
  for (;;) {
    try {
      const seen = await look();
      if (seen !== undefined && seen !== null && seen !== false) return seen;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() > endMs) {
      throw new Error(`waited ${timeoutMs / 1_000} s in vain: ${what}`, { cause: lastError });
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
