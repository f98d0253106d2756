/** Prints `N passed, N failed` from the test runner's own report; exit code 1 when it shows no pass or a failure. */
import { existsSync, readFileSync } from 'node:fs';

const [, , file] = process.argv;
if (file === undefined || !existsSync(file)) {
  console.log(`there is no report at ${file}: the test runner did not come to its end`);
  console.log('0 passed, 1 failed');
  process.exit(1);
}
const report = JSON.parse(readFileSync(file, 'utf8'));
// A file that fails to load has no tests in it; it must not vanish from the count.
const unloaded = report.testResults.filter(
  (result) => result.status === 'failed' && result.assertionResults.length === 0,
);
for (const { name, message } of unloaded) console.log(`did not load: ${name}: ${message}`);
const failed = report.numFailedTests + unloaded.length;
console.log(`${report.numPassedTests} passed, ${failed} failed`);
process.exit(failed === 0 && report.numPassedTests > 0 ? 0 : 1);
