/**
 * The value below which a share of the values lies, interpolated between neighbours (definition 7 of Hyndman and Fan,
 * "Sample Quantiles in Statistical Packages", 1996).
 *
 * @param share 0 to 1; 0.5 is the median.
 * @returns undefined when there are no values.
 */
export function quantile(values: readonly number[], share: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const position = (sorted.length - 1) * share;
  const below = sorted[Math.floor(position)];
  const above = sorted[Math.ceil(position)];
  if (below === undefined || above === undefined) return undefined;
  return below + (above - below) * (position - Math.floor(position));
}
