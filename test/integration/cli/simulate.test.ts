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
  trace = write('trace.csv', 't_seconds,arrivals\n0,10\n30,50\n60,0\n');
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
    expect(program.stdout()).toMatch(/^thumbnails over trace\.csv\n60 jobs arrive within 90 s/);
    for (const name of ['Penstock', 'KEDA \\+ HPA', 'HPA at 80 %', 'fixed \\d', 'oracle']) {
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
      load: 'trace.csv',
      seed: 7,
      outcomes: [{ name: 'Penstock', jobs: 60, unfinished: 0 }, {}, {}, {}, { name: 'oracle' }],
    });
    expect(readFileSync(html, 'utf8').endsWith('</html>\n')).toBe(true);
  });

  test('takes several policies, chosen peers and a rate function', async () => {
    const other = write('other.yaml', readFileSync(policy, 'utf8').replace('20', '5'));
    const svg = join(folder, 'out.svg');
    await using program = penstock([
      ...[
        'simulate',
        '--policy',
        policy,
        other,
        '--rate',
        'steps:5/s@20s,0/s@40s*2',
        '--no-oracle',
        '--json',
      ],
      ...['--peer', 'fixed:3', 'keda:lag=2,window=0', '--svg', svg],
      ...['--fail-percent', '10', '--max-deliver', '3', '--max-ack-pending', '50', '--dependency', '20'],
      ...['--start', '3s', '--start-jitter', '1s', '--observation-delay', '2s', '--no-heartbeats'],
      ...['--ack-wait', '2s', '--no-ack-wait-extension', '--service', 'constant:500ms'],
    ]);
    expect(await program.ended).toBe(0);
    const { outcomes } = JSON.parse(program.stdout()) as { outcomes: { name: string; unfinished: number }[] };
    expect(outcomes.map(({ name }) => name)).toEqual([
      'thumbnails (policy.yaml)',
      'thumbnails (other.yaml)',
      'fixed 3',
      'KEDA lag=2,window=0',
    ]);
    expect(outcomes.map(({ unfinished }) => unfinished)).toEqual([0, 0, 0, 0]);
    expect(readFileSync(svg, 'utf8')).toMatch(/^<svg/);
  });

  test('searches settings, and prints the YAML to use', async () => {
    const args = ['simulate', '--policy', policy, '--rate', 'steps:5/s@20s,0/s@40s*4', '--tune'];
    await using people = penstock(args);
    await using data = penstock([...args, '--json']);
    expect([await people.ended, await data.ended]).toEqual([0, 0]);
    expect(people.stdout()).toMatch(/^95 %, drain 60 s, window as they start .* given/m);
    expect(people.stdout()).toMatch(
      /chosen[^]*\nspec:\n {2}objective:\n {4}drainSeconds: \d+\n {4}utilizationPercent: \d+/,
    );
    const { trials, chosen, front } = JSON.parse(data.stdout()) as {
      trials: number;
      chosen: object;
      front: object[];
    };
    expect(trials).toBe(120);
    expect(front).toContainEqual(chosen);
  });

  test('takes the pools of a file for stages, with all jobs through each', async () => {
    const first = readFileSync(policy, 'utf8');
    const second = first.replaceAll('thumbnails', 'publish').replace('20', '10');
    const stages = write('stages.yaml', `${first}---\n${second}`);
    await using program = penstock([
      ...[
        'simulate',
        '--policy',
        stages,
        '--pipeline',
        '--trace',
        trace,
        '--json',
        '--no-oracle',
        '--peer',
        'fixed:4',
      ],
    ]);
    expect(await program.ended).toBe(0);
    const { outcomes } = JSON.parse(program.stdout()) as { outcomes: object[] };
    expect(outcomes).toMatchObject([
      { name: 'Penstock: thumbnails', jobs: 60, unfinished: 0 },
      { name: 'Penstock: publish', jobs: 60, unfinished: 0 },
      { name: 'fixed 4: thumbnails', jobs: 60, unfinished: 0 },
      { name: 'fixed 4: publish', jobs: 60, unfinished: 0 },
    ]);
  });

  const wrong: Record<string, { change: (args: Record<string, string>) => void; says: RegExp }> = {
    'a trace that is not there': {
      change: (args) => (args['--trace'] = join(folder, 'none.csv')),
      says: /InvalidTrace: cannot read .*none\.csv/,
    },
    'a trace of something else': {
      change: (args) => (args['--trace'] = policy),
      says: /InvalidTrace: .*policy\.yaml:1: there is no column/,
    },
    'a folder instead of a trace': {
      change: (args) => (args['--trace'] = folder),
      says: /InvalidTrace: cannot read .*: EISDIR/,
    },
    'a trace that is no text': {
      change: (args) => (args['--trace'] = write('binary.csv', '\u001b[2J\u0000\n\u0007')),
      says: /InvalidTrace: .*binary\.csv:1: there is no column .*\(found: "\\u001b\[2J\\u0000"\)/,
    },
    'an empty policy': {
      change: (args) => (args['--policy'] = write('empty.yaml', '')),
      says: /InvalidPolicy: .*empty\.yaml: there is no WorkerPool\n/,
    },
    'a service that is none': {
      change: (args) => (args['--service'] = 'quick'),
      says: /InvalidService: service "quick" is not understood; give constant:MEAN/,
    },
    'a policy without the pool': {
      change: (args) => (args['--pool'] = 'videos'),
      says: /InvalidPolicy: .*there is no WorkerPool videos \(found: thumbnails\)/,
    },
    'a policy without bounds': {
      change: (args) =>
        (args['--policy'] = write(
          'open.yaml',
          readFileSync(policy, 'utf8').replace(/ {2}maxReplicas: 20\n/, ''),
        )),
      says: /InvalidPolicy: .*open\.yaml:.*spec\.maxReplicas/,
    },
    'a trace with a gap': {
      change: (args) => (args['--trace'] = write('gap.csv', 't,arrivals\n0,1\n1,1\n9,1\n')),
      says: /InvalidTrace: .*gap\.csv:4: this row is 8 s after the last, .* --gaps quiet/,
    },
    'a trace and a rate at once': {
      change: (args) => (args['--rate'] = 'constant:1/s:1m'),
      says: /InvalidTrace: give either --trace FILE or --rate FUNCTION/,
    },
    'a peer that is none': {
      change: (args) => (args['--peer'] = 'vpa'),
      says: /InvalidPeer: peer "vpa": "vpa" is no peer; give keda/,
    },
    'a peer with a setting of another': {
      change: (args) => (args['--peer'] = 'hpa:lag=3'),
      says: /InvalidPeer: peer "hpa:lag=3": "lag" is no setting of it/,
    },
    'a distribution without a mean': {
      change: (args) => (args['--service'] = 'pareto:1s:0.9'),
      says: /InvalidService: .*pareto:MEAN:ALPHA with ALPHA above 1/,
    },
    'a time without a unit': {
      change: (args) => (args['--start'] = '5'),
      says: /"5" is not a time of up to a day, such as 500ms, 2s or 5m/,
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

  test.each([
    ['a folder that is not there', 'none/out.html', /OutputFailed: cannot write .*none\/out\.html: ENOENT/],
    ['a folder', '', /OutputFailed: cannot write .*: it is a folder; name a file in it/],
  ])('%s as output is refused before anything is simulated', async (_, file, says) => {
    const html = join(folder, file);
    // The trace is missing too: it is not read before the output is known to be possible.
    const args = ['--policy', policy, '--trace', join(folder, 'none.csv'), '--html', html];
    await using program = penstock(['simulate', ...args]);
    expect(await program.ended).toBe(1);
    expect(program.stderr()).toMatch(says);
  });
});
