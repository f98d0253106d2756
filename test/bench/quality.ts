import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { besideOracles, cheapestAsFast, oracles, run } from '../../operator/simulate/compare.ts';
import type { Outcome, Run, Simulation } from '../../operator/simulate/compare.ts';
import { parsePeer } from '../../operator/simulate/contestants.ts';
import { drawSvg } from '../../operator/simulate/drawing.ts';
import type { Load } from '../../operator/simulate/load.ts';
import { overTime } from '../../operator/simulate/plots.ts';
import { penstock } from '../../operator/simulate/policy.ts';
import { parseService } from '../../operator/simulate/service.ts';
import { parseTrace } from '../../operator/simulate/trace.ts';
import { dominates } from '../../operator/simulate/verdicts.ts';
import { spec } from '../builders/spec.ts';
import { summarize } from './bench.ts';
import type { Bench, BenchRow } from './bench.ts';
import { qualityPlot } from './qualityPlot.ts';
import type { Panel } from './qualityPlot.ts';

const traces = [
  { name: 'LLM code', file: 'azure_llm_code_2023_1s.csv', timeScale: 1 },
  { name: 'LLM conversation', file: 'azure_llm_conv_2023_1s.csv', timeScale: 1 },
  { name: 'VM, time / 60', file: 'azure_vm_2017_5m.csv', timeScale: 60 },
  { name: 'Mooncake', file: 'mooncake_conv_2024_3s.csv', timeScale: 1 },
] as const;

/** All have a mean of 1 s: 35.88 ms per token is that for the recorded jobs. */
const services = {
  constant: 'constant:1s',
  exponential: 'exponential:1s',
  'lognormal, CV 2': 'lognormal:1s:2',
  recorded: 'empirical:azure_llm_code_2023_jobs.csv:gen:35.88ms',
} as const;

const startTimes = [2, 8, 30];

/** The peers at their defaults, and at settings that somebody would find who tuned them for the trace. */
const peers: readonly string[] = [
  'keda',
  'hpa',
  ...[0.25, 0.5, 1, 2, 4, 8, 16].flatMap((lag) =>
    [0, 60, 300].map((window) => `keda:lag=${lag},window=${window},poll=1,cooldown=${Math.max(15, window)}`),
  ),
  ...[30, 50, 70, 90].flatMap((target) =>
    [0, 60, 300].map((window) => `hpa:target=${target},window=${window}`),
  ),
];
/** Fixed sizes, as multiples of the mean number of busy slots. */
const fixedSizes = [1.02, 1.1, 1.2, 1.3, 1.4, 1.5, 1.7, 2, 2.5, 3, 4];

/** A peer costs as much if it costs no more than this times our cost. */
const sameCost = 1.05;
/** The case that is drawn. */
const drawn = { service: 'exponential', start: 8 } as const;
/** Seeds per `--runs`: a table of 48 cases against 48 settings takes minutes. */
const runsPerSeed = 5;

type Case = {
  readonly own: Outcome;
  readonly peers: readonly Outcome[];
  readonly oracles: readonly Run[];
  readonly policy: Run;
  /** At its defaults. */
  readonly keda: Run;
  readonly objectiveSeconds: number;
};

/** The default policy, once for all cases, beside peers that may be tuned for each, in simulated time. */
export const quality: Bench = {
  name: 'quality',
  describe:
    'waiting and cost of the default policy in simulated time, beside peers tuned for each trace, and an oracle',
  run({ say, runs }) {
    const rows: BenchRow[] = [];
    const cases: Case[] = [];
    const panels: Panel[] = [];
    for (const { name, file, timeScale } of traces) {
      const load = parseTrace(read(file), file, { timeScale });
      for (const [service, text] of Object.entries(services)) {
        for (const startSeconds of startTimes) {
          const seeds = Array.from({ length: Math.ceil(runs / runsPerSeed) }, (_, index) => index + 1);
          const found = seeds.map((seed) => simulate(load, text, startSeconds, seed));
          rows.push(toRow(`${name}, ${service}, start ${startSeconds} s`, found));
          cases.push(...found);
          say(rows.at(-1)?.name ?? '');
          const [first] = found;
          if (first === undefined || service !== drawn.service || startSeconds !== drawn.start) continue;
          panels.push({ title: `${name}, start ${startSeconds} s`, ...first });
          if (file === traces[0].file) drawTimeline(first);
        }
      }
    }
    writeFileSync(docs('quality.svg'), drawSvg(qualityPlot(panels)));
    return Promise.resolve({
      title: 'quality: the default policy in simulated time',
      columns: [
        'wait p95 s',
        'cost',
        '× oracle',
        'cost / peer as fast',
        'p95 / peer as cheap',
        'peers better in both',
      ],
      rows,
      ratios: ratios(cases),
      notes: [
        'Jobs of 1 s on average, one slot; start is the time from a new replica to its first job.',
        'Cost is slot-seconds paid for per slot-second of work.',
        'The peer as fast is the cheapest setting of any peer that waits no longer at p95, the peer as cheap the fastest ' +
          'of those that cost no more than 5 % more; both may be other settings in each row.',
        'docs/quality.svg and docs/quality-over-time.svg were written anew.',
      ],
    });
  },
};

function simulate(load: Load, service: string, startSeconds: number, seed: number): Case {
  const parsed = parseService(service, read);
  const policy = spec({ maxReplicas: 400, prior: { serviceMilliseconds: 1_000, startSeconds } });
  const simulation: Simulation = {
    load,
    service: parsed,
    model: { slots: 1, hasHeartbeats: true, start: { seconds: startSeconds, jitterSeconds: 0 } },
    maxReplicas: policy.maxReplicas,
    objectiveSeconds: policy.objective.drainSeconds,
    seed,
  };
  const busy = (load.jobs * parsed.meanMs) / 1_000 / load.seconds;
  const sizes = new Set(fixedSizes.map((share) => Math.ceil(share * busy)));
  const texts = [...peers, ...[...sizes].map((size) => `fixed:${size}`)];
  const known = oracles(simulation);
  const own = run(simulation, penstock(policy));
  const runPeer = (text: string): Run =>
    run(simulation, parsePeer(text, { spec: policy, slots: 1, delaySeconds: 0 }));
  return {
    own: besideOracles(own.outcome, known),
    policy: own,
    oracles: known,
    keda: runPeer('keda'),
    objectiveSeconds: simulation.objectiveSeconds,
    peers: texts.map((text) => runPeer(text).outcome),
  };
}

function toRow(name: string, found: readonly Case[]): BenchRow {
  const over = (of: (each: Case) => number | null): BenchRow['cells'][number] => {
    const values = found.flatMap((each) => of(each) ?? []);
    return values.length === 0 ? null : summarize(values);
  };
  return {
    name,
    cells: [
      over(({ own }) => own.waitP95Seconds),
      over(({ own }) => own.cost),
      over(({ own }) => own.oracleRatio),
      over(costRatio),
      over(waitRatio),
      over(({ own, peers: others }) => others.filter((peer) => dominates(peer, own)).length),
    ],
  };
}

function ratios(cases: readonly Case[]): {
  name: string;
  value: ReturnType<typeof summarize>;
  aim: string;
}[] {
  const share = (of: (each: Case) => boolean): ReturnType<typeof summarize> =>
    summarize([cases.filter(of).length / cases.length]);
  return [
    {
      name: 'share of cases in which no setting of any peer is better in both',
      value: share(({ own, peers: others }) => !others.some((peer) => dominates(peer, own))),
      aim: '1',
    },
    {
      name: 'share of cases with half the wait for the same cost, or a quarter less cost for the same wait',
      value: share((each) => (waitRatio(each) ?? 0) <= 0.5 || (costRatio(each) ?? 0) <= 0.75),
      aim: '1',
    },
    {
      name: 'cost / cost of the oracle that waits no longer',
      value: summarize(cases.flatMap(({ own }) => own.oracleRatio ?? [])),
      aim: '<= 1.3',
    },
  ];
}

/** Our cost over that of the cheapest peer that waits no longer; 0 if there is none. */
function costRatio({ own, peers: others }: Case): number | null {
  const fast = others.filter((peer) => (peer.waitP95Seconds ?? 0) <= (own.waitP95Seconds ?? 0));
  const least = fast.reduce((cost, peer) => Math.min(cost, peer.cost ?? Infinity), Infinity);
  return own.cost === null ? null : own.cost / least;
}

/** Our wait over that of the fastest peer for the same cost; 0 if there is none. */
function waitRatio({ own, peers: others }: Case): number | null {
  const cheap = others.filter((peer) => (peer.cost ?? Infinity) <= sameCost * (own.cost ?? 0));
  const least = cheap.reduce((wait, peer) => Math.min(wait, peer.waitP95Seconds ?? Infinity), Infinity);
  return own.waitP95Seconds === null ? null : own.waitP95Seconds / least;
}

function drawTimeline({ policy, keda, oracles: known, objectiveSeconds }: Case): void {
  const best = cheapestAsFast(known, policy.outcome);
  const runs = best === undefined ? [policy, keda] : [policy, keda, best];
  writeFileSync(docs('quality-over-time.svg'), drawSvg(overTime(runs, objectiveSeconds)));
}

const docs = (file: string): string => fileURLToPath(new URL(`../../docs/${file}`, import.meta.url));

const read = (file: string): string =>
  readFileSync(new URL(`../../examples/traces/${file}`, import.meta.url), 'utf8');
