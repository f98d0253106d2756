import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { penstock } from '../../builders/program.ts';

let folder: string;
let policy: string;
let trace: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'penstock-simulate-'));
  policy = write(
    'policy.yaml',
    `apiVersion: penstock.dev/v1alpha1
kind: WorkerPool
metadata: { name: thumbnails }
spec:
  scaleTargetRef: { name: thumbnails }
  sources: [{ connection: nats, stream: IMAGES, consumer: thumbnails }]
  maxReplicas: 20
`,
  );
  trace = write('trace.csv', 't_seconds,arrivals\n0,5\n1,5\n30,50\n60,0\n');
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

describe('penstock simulate', () => {
  test('prints a table with the policy and its peers', async () => {
    await using program = penstock(['simulate', '--policy', policy, '--trace', trace]);
    expect(await program.ended).toBe(0);
    expect(program.stdout()).toMatch(/^Pool thumbnails over trace\.csv\n/);
    for (const name of ['Penstock', 'KEDA \\+ HPA', 'HPA at 80 %', 'fixed 1']) {
      expect(program.stdout()).toMatch(new RegExp(`^${name} +[0-9]`, 'm'));
    }
  });

  test('the same seed gives the same JSON, and a page beside it', async () => {
    const html = join(folder, 'out.html');
    const args = ['simulate', '--policy', policy, '--trace', trace, '--seed', '7', '--json', '--html', html];
    await using first = penstock(args);
    await using second = penstock(args);
    expect([await first.ended, await second.ended]).toEqual([0, 0]);
    expect(first.stdout()).toBe(second.stdout());
    expect(JSON.parse(first.stdout())).toMatchObject({
      pool: 'thumbnails',
      outcomes: [{ name: 'Penstock', jobs: 60, unfinished: 0 }, {}, {}, {}],
    });
    expect(readFileSync(html, 'utf8')).toMatch(/^<!doctype html>[^]*<\/html>\n$/);
  });

  const wrong: Record<string, { change: (args: Record<string, string>) => void; says: RegExp }> = {
    'a trace that is not there': {
      change: (args) => (args['--trace'] = join(folder, 'none.csv')),
      says: /InvalidTrace: cannot read the trace: .*none\.csv/,
    },
    'a trace of something else': {
      change: (args) => (args['--trace'] = policy),
      says: /InvalidTrace: .*policy\.yaml:1: there is no column/,
    },
    'a service that is none': {
      change: (args) => (args['--service'] = 'quick'),
      says: /InvalidService: service "quick" is not understood; give constant:MEAN/,
    },
    'a policy without the pool': {
      change: (args) => (args['--pool'] = 'videos'),
      says: /InvalidPolicy: .*there is no WorkerPool videos \(found: thumbnails\)/,
    },
    'a seed that is no number': {
      change: (args) => (args['--seed'] = 'x'),
      says: /"x" is not a whole number/,
    },
  };
  test.each(Object.entries(wrong))('%s is named, with exit code 2', async (_, { change, says }) => {
    const args: Record<string, string> = { '--policy': policy, '--trace': trace };
    change(args);
    await using program = penstock(['simulate', ...Object.entries(args).flat()]);
    expect(await program.ended).toBe(2);
    expect(program.stderr()).toMatch(says);
  });
});
