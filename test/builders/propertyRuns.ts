/** How often a property is tried: more in CI, and as often as PENSTOCK_TEST_RUNS says. */
export const propertyRuns = Number(
  process.env['PENSTOCK_TEST_RUNS'] ?? (process.env['CI'] === undefined ? 1_000 : 10_000),
);
