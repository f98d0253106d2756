import { readFileSync, readdirSync } from 'node:fs';
import { expect, it } from 'vitest';

const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
const page = read('docs/decisions.md');

/** Every word in quotes that looks like a reason or a condition, from the files that say them. */
function words(text: string): string[] {
  return [...text.matchAll(/'([A-Z][a-z]+(?:[A-Z][a-z]+)*)'/g)].flatMap(([, word]) => word ?? []);
}

/** Values of a condition's status and of the policy, which are no reasons. */
const others = [
  'True',
  'False',
  'Unknown',
  'Enforce',
  'Observe',
  'Disabled',
  'Auto',
  'Max',
  'Min',
  'Disabled',
  'Pods',
  'Percent',
];

it.each([
  'operator/decide/decision.ts',
  'operator/decide/diagnosis.ts',
  'operator/decide/outlook.ts',
  'operator/decide/freshness.ts',
  'operator/decide/limits.ts',
  'operator/decide/ackPending.ts',
  'operator/platform/kubernetes/kubernetes.ts',
  ...readdirSync(new URL('../../../operator/decide/guards', import.meta.url)).map(
    (name) => `operator/decide/guards/${name}`,
  ),
])('every reason and condition of %s is described', (path) => {
  const missing = words(read(path)).filter((word) => !others.includes(word) && !page.includes(`\`${word}\``));
  expect(missing).toEqual([]);
});
