/**
 * The stabilization windows of a HorizontalPodAutoscaler (autoscaling/v2). The replicas may rise no further than the
 * lowest recommendation of the up window, and fall no further than the highest of the down window.
 */
export type Recommendation = { readonly replicas: number; readonly atMs: number };

/**
 * Past recommendations, reduced to what a sliding minimum and maximum need: a later one that is at least as extreme
 * makes the earlier ones irrelevant.
 */
export type Recommendations = {
  /** Whether none was ever recorded. */
  readonly isEmpty: boolean;
  /** Falling replicas, rising time. */
  readonly highs: readonly Recommendation[];
  /** Rising replicas, rising time. */
  readonly lows: readonly Recommendation[];
};

export type Windows = { readonly upMs: number; readonly downMs: number };

export const emptyRecommendations: Recommendations = { isEmpty: true, highs: [], lows: [] };

/** Records what was wanted before stabilization. */
export function remember(
  { highs, lows }: Recommendations,
  wanted: Recommendation,
  windows: Windows,
): Recommendations {
  const within = (list: readonly Recommendation[], windowMs: number): readonly Recommendation[] =>
    list.filter(({ atMs }) => atMs > wanted.atMs - windowMs);
  return {
    isEmpty: false,
    highs: [...within(highs, windows.downMs).filter((high) => high.replicas > wanted.replicas), wanted],
    lows: [...within(lows, windows.upMs).filter((low) => low.replicas < wanted.replicas), wanted],
  };
}

/** The wanted replicas as far as the recommendations of the windows agree; between the two the current ones stay. */
export function stabilize(
  { highs, lows }: Recommendations,
  current: number,
  wanted: Recommendation,
  windows: Windows,
): number {
  const lowest = extreme(lows, wanted, windows.upMs, Math.min);
  const highest = extreme(highs, wanted, windows.downMs, Math.max);
  return Math.min(Math.max(current, lowest), highest);
}

function extreme(
  list: readonly Recommendation[],
  wanted: Recommendation,
  windowMs: number,
  choose: (a: number, b: number) => number,
): number {
  let chosen = wanted.replicas;
  for (const { replicas, atMs } of list) {
    if (atMs > wanted.atMs - windowMs) chosen = choose(chosen, replicas);
  }
  return chosen;
}
