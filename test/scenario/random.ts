/** Random numbers from a seed, so that a story can be told again. */
export type Random = {
  /** Even between 0 and 1. */
  readonly uniform: () => number;
  readonly exponential: (mean: number) => number;
  readonly poisson: (mean: number) => number;
};

/** A linear congruential generator with the constants of Knuth's MMIX; the upper 32 bits are used. */
export function seededRandom(seed: number): Random {
  let state = BigInt(seed);
  const uniform = (): number => {
    state = BigInt.asUintN(64, state * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n);
    return (Number(state >> 32n) + 0.5) / 2 ** 32;
  };
  uniform();
  const exponential = (mean: number): number => -mean * Math.log(uniform());
  const poisson = (mean: number): number => {
    let [count, elapsed] = [0, exponential(1)];
    while (elapsed < mean) {
      count += 1;
      elapsed += exponential(1);
    }
    return count;
  };
  return { uniform, exponential, poisson };
}
