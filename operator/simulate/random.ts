/** Random numbers from a seed, so that a run can be repeated. */
export type Random = {
  /** Even between 0 and 1, both excluded. */
  readonly uniform: () => number;
  readonly exponential: (mean: number) => number;
  /** Standard normal. */
  readonly normal: () => number;
  readonly poisson: (mean: number) => number;
};

/**
 * Two linear congruential generators of 32 bits, combined by exclusive or: a period of 2^32 each, more than any run
 * draws, at the price of a few additions.
 */
export function seededRandom(seed: number): Random {
  let [a, b] = [seed | 0, (seed ^ 0x5bd1e995) | 0];
  const uniform = (): number => {
    a = (Math.imul(a, 1_664_525) + 1_013_904_223) | 0;
    b = (Math.imul(b, 22_695_477) + 1) | 0;
    const mixed = Math.imul(a ^ (a >>> 15), 0x2c1b3c6d) ^ (b ^ (b >>> 13));
    return ((mixed >>> 0) + 0.5) / 2 ** 32;
  };
  for (let warmUp = 0; warmUp < 16; warmUp += 1) uniform();
  const exponential = (mean: number): number => -mean * Math.log(uniform());
  /** Box and Muller (1958). */
  const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const poisson = (mean: number): number => {
    let [count, elapsed] = [0, exponential(1)];
    while (elapsed < mean) {
      count += 1;
      elapsed += exponential(1);
    }
    return count;
  };
  return { uniform, exponential, normal, poisson };
}
