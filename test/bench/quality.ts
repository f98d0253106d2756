import { readFileSync } from 'node:fs';
import { compare } from '../../operator/simulate/compare.ts';
import type { Outcome } from '../../operator/simulate/compare.ts';
import { seededRandom } from '../../operator/simulate/random.ts';
import { parseService } from '../../operator/simulate/service.ts';
import { parseTrace } from '../../operator/simulate/trace.ts';
import { spec } from '../builders/spec.ts';
import { summarize } from './bench.ts';
import type { Bench, BenchRow, Measured } from './bench.ts';

const peers = ['Penstock', 'KEDA + HPA', 'HPA', 'fixed'] as const;

type Load = { readonly name: string; readonly trace: readonly number[] };
type Setting = { readonly service: string; readonly startSeconds: number };

const settings: readonly Setting[] = ['constant', 'exponential', 'lognormal'].flatMap((kind) => [
  { service: `${kind}:1s`, startSeconds: 5 },
  { service: `${kind}:5s`, startSeconds: 20 },
]);

/** The default policy and its peers in simulated time, over a recorded load and drawn ones; each run is a seed. */
export const quality: Bench = {
  name: 'quality',
  describe: 'waiting and cost of the default policy in simulated time, beside KEDA + HPA, HPA, a fixed size',
  run({ say, runs }) {
    const rows: BenchRow[] = [];
    const costShares: number[] = [];
    const notDominated: number[] = [];
    for (const { name, trace } of loads()) {
      for (const setting of settings) {
        const outcomes = Array.from({ length: runs }, (_, seed) => simulate(trace, setting, seed + 1));
        rows.push({
          name: `${name}, ${setting.service}, start ${setting.startSeconds} s`,
          cells: peers.flatMap((_, peer) => [
            over(outcomes, (run) => run[peer]?.waitP95Seconds),
            over(outcomes, (run) => run[peer]?.cost),
          ]),
        });
        for (const run of outcomes) {
          const [own, keda] = run;
          costShares.push((own?.cost ?? Number.NaN) / (keda?.cost ?? Number.NaN));
          notDominated.push(own !== undefined && run.slice(1).some((peer) => dominates(peer, own)) ? 0 : 1);
        }
        say(rows.at(-1)?.name ?? '');
      }
    }
    const shareNotDominated = notDominated.reduce((sum, value) => sum + value, 0) / notDominated.length;
    return Promise.resolve({
      title: 'quality: waiting (p95, s) and cost (slot-seconds paid for per slot-second of work)',
      columns: peers.flatMap((peer) => [`${peer} p95`, 'cost']),
      rows,
      ratios: [
        { name: 'cost / cost of KEDA + HPA', value: summarize(costShares), aim: '<= 0.75' },
        {
          name: 'share of runs where no peer waits less for less',
          value: summarize([shareNotDominated]),
          aim: '1',
        },
      ],
      notes: [
        'Simulated passes of one second through the same measure and decide that the operator runs; peers are models.',
        'The fixed size has as many replicas as the policy used on average.',
      ],
    });
  },
};

function loads(): readonly Load[] {
  const random = seededRandom(1);
  const drawn = (seconds: number, rate: (second: number) => number): readonly number[] =>
    Array.from({ length: seconds }, (_, second) => random.poisson(rate(second)));
  const file = new URL('../../examples/traces/azure_llm_code_2023_1s.csv', import.meta.url);
  return [
    { name: 'recorded hour', trace: parseTrace(readFileSync(file, 'utf8'), 'azure_llm_code_2023_1s.csv') },
    { name: 'waves', trace: drawn(3_600, (second) => 10 + 9 * Math.sin(second / 120)) },
    { name: 'bursts', trace: drawn(3_600, (second) => (second % 300 < 40 ? 20 : 0)) },
  ];
}

function simulate(
  trace: readonly number[],
  { service, startSeconds }: Setting,
  seed: number,
): readonly Outcome[] {
  const parsed = parseService(service);
  const policy = spec({ maxReplicas: 400, prior: { serviceMilliseconds: parsed.meanMs, startSeconds } });
  const runs = compare({ spec: policy, trace, service: parsed, slots: 1, startSeconds, seed });
  return runs.map(({ outcome }) => outcome);
}

function over(
  outcomes: readonly (readonly Outcome[])[],
  of: (run: readonly Outcome[]) => number | null | undefined,
): Measured {
  return summarize(outcomes.map((run) => of(run) ?? Number.NaN));
}

/** Waits no longer and costs no more, and is better in one of the two. */
function dominates(peer: Outcome, own: Outcome): boolean {
  const wait = (peer.waitP95Seconds ?? 0) - (own.waitP95Seconds ?? 0);
  const cost = (peer.cost ?? 0) - (own.cost ?? 0);
  return wait <= 0 && cost <= 0 && (wait < 0 || cost < 0);
}
