import { defineConfig } from 'vitest/config';

/** Unit tests run wide; suites that start servers get two files at a time, as CI has two cores. */
export default defineConfig({
  test: {
    reporters:
      process.env['CI'] === undefined ? ['default'] : ['default', ['json', { outputFile: 'out/test.json' }]],
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
    ],
  },
});
