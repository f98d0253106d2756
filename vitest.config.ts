import { defineConfig } from 'vitest/config';

/** Unit tests run wide; suites that start servers get two files at a time, as CI has two cores. */
export default defineConfig({
  test: {
    reporters: process.env['CI'] === undefined ? ['default'] : ['default', 'json'],
    outputFile: { json: 'out/test.json' },
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['test/{unit,scenario,contract}/**/*.test.ts'], testTimeout: 30_000 },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/{integration,chart}/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
        },
      },
      {
        // One cluster for all of them, which some stories take apart: one file at a time.
        extends: true,
        test: {
          name: 'cluster',
          include: ['test/cluster/**/*.test.ts'],
          globalSetup: 'test/cluster/setup.ts',
          testTimeout: 300_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
