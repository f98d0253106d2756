import { describe, expect, it } from 'vitest';
import { compare } from '../../../../operator/simulate/compare.ts';
import { page } from '../../../../operator/simulate/page.ts';
import { parseService } from '../../../../operator/simulate/service.ts';
import { spec } from '../../../builders/spec.ts';

const shares: number[] = [];
const runs = compare({
  spec: spec({ maxReplicas: 20 }),
  trace: Array.from({ length: 300 }, (_, second) => (second % 100 < 50 ? 6 : 0)),
  service: parseService('exponential:1s'),
  slots: 1,
  startSeconds: 2,
  seed: 1,
  onProgress: (share) => shares.push(share),
});

describe('a comparison', () => {
  it('puts the same load through the policy and its peers, and all of it is done', () => {
    expect(runs.map(({ outcome }) => outcome.jobs)).toEqual(runs.map(() => 900));
    expect(runs.map(({ outcome }) => outcome.unfinished)).toEqual(runs.map(() => 0));
    expect(runs.map(({ outcome }) => outcome.name).slice(0, 3)).toEqual([
      'Penstock',
      'KEDA + HPA',
      'HPA at 80 %',
    ]);
  });

  it('costs less with the policy than with peers that shrink after minutes', () => {
    const costs = runs.map(({ outcome }) => outcome.cost ?? Infinity);
    expect(costs[0]).toBeLessThan(Math.min(...costs.slice(1, 3)));
  });

  it('tells its progress to the end', () => {
    expect(shares.at(-1)).toBe(1);
    expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  });
});

describe('the page', () => {
  const html = page('Pool <x>', 'with "quotes"', runs);

  it('needs nothing from elsewhere', () => {
    expect(html).not.toMatch(/https?:|<script|src=|@import|url\(/);
  });

  it('escapes what it is told', () => {
    expect(html).toContain('Pool &lt;x>');
  });

  it('has a row and lines for each', () => {
    expect(html.match(/<tr>/g)).toHaveLength(1 + runs.length);
    expect(html.match(/<polyline/g)).toHaveLength(1 + 3 * runs.length);
    expect(html).not.toMatch(/NaN|undefined|Infinity/);
  });
});
