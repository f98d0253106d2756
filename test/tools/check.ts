/**
 * `npm run check`: every static check, each with its own line, all of them even after one failed.
 * Exit code 1 when any check failed.
 */
import { spawnSync } from 'node:child_process';

const checks: readonly (readonly [name: string, command: string, ...args: string[]])[] = [
  ['format', 'prettier', '--check', '--log-level=warn', '.'],
  ['lint', 'eslint', '.', '--max-warnings=0'],
  ['typecheck', 'tsc'],
  ['walls', 'npm', 'run', '--silent', 'deps'],
  ['generated resources', 'node', 'crds/generate.ts', '--check'],
  ['generated docs', 'node', 'docs/generate.ts', '--check'],
  ['dead code', 'knip', '--no-progress'],
];

let failed = 0;
for (const [name, command, ...args] of checks) {
  const startedAt = performance.now();
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  const took = ((performance.now() - startedAt) / 1000).toFixed(1);
  if (status !== 0) failed += 1;
  console.log(`${status === 0 ? 'ok  ' : 'FAIL'} ${name} (${took} s)`);
}
console.log(`check: ${checks.length - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
