/** A page of metrics in the Prometheus text format, as far as a benchmark reads it: samples by name and labels. */
export type Samples = ReadonlyMap<string, number>;

export function parseExposition(text: string): Samples {
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const end = line.lastIndexOf(' ');
    samples.set(line.slice(0, end), Number(line.slice(end + 1)));
  }
  return samples;
}

/** Sum over all label values of one metric. */
export function total(samples: Samples, name: string, matching = /^/): number {
  let sum = 0;
  for (const [key, value] of samples) {
    if ((key === name || key.startsWith(`${name}{`)) && matching.test(key)) sum += value;
  }
  return sum;
}

/**
 * A quantile of what a histogram has counted between two looks, interpolated within its bucket as Prometheus does.
 *
 * @returns undefined when nothing was counted, Infinity when it lies beyond the last bound.
 */
export function histogramQuantile(
  from: Samples,
  to: Samples,
  name: string,
  share: number,
): number | undefined {
  const buckets = [...to]
    .flatMap(([key, value]) => {
      const bound = /^(?<name>[^{]+)_bucket\{.*le="(?<bound>[^"]+)"/.exec(key)?.groups;
      if (bound?.['name'] !== name) return [];
      const upTo = bound['bound'] === '+Inf' ? Infinity : Number(bound['bound']);
      return [{ upTo, count: value - (from.get(key) ?? 0) }];
    })
    .sort((a, b) => a.upTo - b.upTo);
  const wanted = (buckets.at(-1)?.count ?? 0) * share;
  if (wanted === 0) return undefined;
  let [below, countBelow] = [0, 0];
  for (const { upTo, count } of buckets) {
    if (count >= wanted && Number.isFinite(upTo)) {
      return below + ((upTo - below) * (wanted - countBelow)) / (count - countBelow);
    }
    [below, countBelow] = [upTo, count];
  }
  return Infinity;
}
