/**
 * `summary.mjs REPORT…`: prints `N passed, N failed`, the sums over the test runner's own reports. Exit code 1 when one of
 * them is missing or shows no pass, or when anything failed.
 */
import { existsSync, readFileSync } from 'node:fs';

const counts = process.argv.slice(2).map(count);
const passed = counts.reduce((sum, one) => sum + one.passed, 0);
const failed = counts.reduce((sum, one) => sum + one.failed, 0);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && counts.length > 0 ? 0 : 1);

function count(file) {
  if (!existsSync(file)) {
    console.log(`there is no report at ${file}: the test runner did not come to its end`);
    return { passed: 0, failed: 1 };
  }
  const report = JSON.parse(readFileSync(file, 'utf8'));
  // A file that fails to load has no tests in it; it must not vanish from the count.
  const unloaded = report.testResults.filter(
    (result) => result.status === 'failed' && result.assertionResults.length === 0,
  );
  for (const { name, message } of unloaded) console.log(`did not load: ${name}: ${message}`);
  if (report.numPassedTests === 0) console.log(`no test has passed in ${file}`);
  const failed = report.numFailedTests + unloaded.length;
  return {
    passed: report.numPassedTests,
    failed: report.numPassedTests === 0 ? Math.max(1, failed) : failed,
  };
}
