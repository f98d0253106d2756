import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { formatProblem, parsePolicies } from '../../../operator/platform/local/policyFiles.ts';
import { fromRoot } from '../../builders/program.ts';

const pages = globSync(['README.md', 'docs/**/*.md', 'examples/**/*.md'], { cwd: fromRoot('.') });
const read = (page: string): string => readFileSync(fromRoot(page), 'utf8');

/** The anchor that GitHub gives a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');

function anchorsOf(page: string): string[] {
  return [...readFileSync(page, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading));
}

/** What is wrong with a link of the page; undefined for one that leads somewhere, or out of the repository. */
function deadEnd(page: string, link: string): string | undefined {
  if (/^[a-z]+:/.test(link)) return undefined;
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? fromRoot(page) : resolve(dirname(fromRoot(page)), path);
  if (!existsSync(target)) return `${link}: there is no such file`;
  const isKnown = anchor === undefined || !target.endsWith('.md') || anchorsOf(target).includes(anchor);
  return isKnown ? undefined : `${link}: there is no such heading`;
}

test('there are pages to read', () => {
  expect(pages).toEqual(expect.arrayContaining(['README.md', 'docs/kubernetes.md', 'examples/README.md']));
});

test.each(pages)('every link of %s leads somewhere', (page) => {
  const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link]) => link ?? []);
  expect(links.flatMap((link) => deadEnd(page, link) ?? [])).toEqual([]);
});

const resources = pages.flatMap((page) =>
  [...read(page).matchAll(/^```yaml\n(.*?)^```$/gms)]
    .map(([, text = '']) => [page, text] as const)
    .filter(([, text]) => text.includes('apiVersion: penstock.dev/')),
);

describe('the resources that a page shows', () => {
  test('are found', () => {
    expect(resources.map(([page]) => page)).toEqual(
      expect.arrayContaining(['README.md', 'examples/README.md']),
    );
  });

  test.each(resources)('are valid in %s', (page, text) => {
    const { policies, problems } = parsePolicies(page, text);
    expect(problems.map(formatProblem)).toEqual([]);
    expect(Object.values(policies).flat()).not.toEqual([]);
  });
});

test.each(
  pages.flatMap((page) =>
    [...new Set([...read(page).matchAll(/npm run ([a-z][\w:]*)/g)].map(([, script = '']) => script))].map(
      (script) => [page, script] as const,
    ),
  ),
)('%s names a script that exists: %s', (_, script) => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  expect(Object.keys(scripts)).toContain(script);
});
