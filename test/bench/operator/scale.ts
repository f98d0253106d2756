import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { quantile } from '../../../demo/quantile.ts';
import { fromRoot, run } from '../../builders/program.ts';
import type { Program } from '../../builders/program.ts';
import { freePort } from '../../tools/serverProcess.ts';
import type { Bench, BenchResult, BenchRow } from '../bench.ts';
import { openEstate } from './estate.ts';
import type { Estate } from './estate.ts';
import { histogramQuantile, parseExposition, total } from './exposition.ts';
import type { Samples } from './exposition.ts';
import { cores, usageOf } from './usage.ts';
import type { Usage } from './usage.ts';

const defaultSizes = [100, 1_000, 5_000];
/** From this many pools on the period is doubled. */
const slowFrom = 20_000;
const idleMs = 5_000;
const quietMs = 20_000;
const changingMs = 40_000;
const changedPerMinute = 0.05;
const readyDeadlineMs = 600_000;
/** The first statuses are out when so few writes come in a second. */
const calmWritesPerSecond = 3;
/** So often in a row: a pool that has nothing to do says so after some time. */
const calmLooks = 4;
/** A look is a scrape, and those of many pools cost something. */
const lookEveryMs = 5_000;
const reactionDeadlineMs = 30_000;

/** What the operator costs, and how punctual it is, with many pools on real servers. */
export const operatorScale: Bench = {
  name: 'operator-scale',
  describe: 'the operator with many pools on a real API server and nats-server, quiet and with 5 % changing',
  async run({ say, sizes = defaultSizes }) {
    await using estate = await openEstate();
    const folder = await mkdtemp(join(tmpdir(), 'penstock-scale-'));
    try {
      await promisify(execFile)(process.execPath, [fromRoot('build/bundle.ts'), folder]);
      await writeFile(join(folder, 'kubeconfig'), estate.kubeconfig);
      const measured: Measurement[] = [];
      for (const pools of [...sizes].sort((a, b) => a - b)) {
        await estate.grow(pools, say);
        measured.push(await measure(estate, folder, pools, say));
      }
      return toResult(measured);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

type Measurement = {
  readonly pools: number;
  readonly periodSeconds: number;
  readonly natsIdleCores: number;
  readonly quiet: Figures;
  readonly changing: Figures;
  readonly reactionSeconds: readonly number[];
  /** Messages after which no replica came in time. */
  readonly missed: number;
};

type Figures = {
  readonly latenessP99Seconds: number | undefined;
  readonly operatorCores: number;
  readonly operatorMb: number;
  readonly apiRequestsPerSecond: number;
  readonly apiWritesPerSecond: number;
  readonly natsRequestsPerSecond: number;
  readonly natsCores: number;
  readonly apiServerCores: number;
};

async function measure(
  estate: Estate,
  folder: string,
  pools: number,
  say: (line: string) => void,
): Promise<Measurement> {
  const idle = await usageOf(estate.pids.nats);
  await sleep(idleMs);
  const natsIdleCores = cores(idle, await usageOf(estate.pids.nats));
  const periodSeconds = pools >= slowFrom ? 2 : 1;
  const port = await freePort();
  await using operator = run(join(folder, 'operator', 'main.mjs'), [], {
    KUBECONFIG: join(folder, 'kubeconfig'),
    PENSTOCK_PERIOD_SECONDS: `${periodSeconds}`,
    PENSTOCK_HTTP_HOST: '127.0.0.1',
    PENSTOCK_HTTP_PORT: `${port}`,
    PENSTOCK_LOG_LEVEL: 'warn',
    NODE_ENV: 'production',
    // As the image sets it, and what Node takes in a container with the chart's memory limit, or twice that.
    NODE_OPTIONS: `--max-semi-space-size=8 --max-old-space-size=${pools >= slowFrom ? 512 : 256}`,
  });
  const look = async (): Promise<Look> => {
    const { exitCode } = operator.child;
    if (exitCode !== null)
      throw new Error(
        `the operator ended with ${exitCode}: ${operator.stderr()}${operator.stdout().slice(-2_000)}`,
      );
    return lookAt(estate, operator, port);
  };
  await untilCalm(operator, look, pools, say);

  const quietFrom = await look();
  await sleep(quietMs);
  const quiet = figures(quietFrom, await look());
  say(`${pools} pools, quiet: ${quiet.operatorCores.toFixed(2)} cores, ${quiet.operatorMb.toFixed(0)} MB`);
  const before = await look();
  const reactions = await change(estate, pools);
  const changing = figures(before, await look());
  say(
    `${pools} pools, changing: ${changing.operatorCores.toFixed(2)} cores, ${reactions.seconds.length} reactions`,
  );
  operator.child.kill('SIGTERM');
  const code = await operator.ended;
  if (code !== 0) throw new Error(`the operator ended with ${code}: ${operator.stderr()}`);
  return {
    pools,
    periodSeconds,
    natsIdleCores,
    quiet,
    changing,
    reactionSeconds: reactions.seconds,
    missed: reactions.missed,
  };
}

type Look = {
  readonly operator: Usage;
  readonly nats: Usage;
  readonly apiServer: Usage;
  readonly natsRequests: number;
  readonly samples: Samples;
};

async function lookAt(estate: Estate, operator: Program, port: number): Promise<Look> {
  const [text, natsRequests, nats, apiServer] = await Promise.all([
    fetch(`http://127.0.0.1:${port}/metrics`).then((response) => response.text()),
    estate.natsRequests(),
    usageOf(estate.pids.nats),
    usageOf(estate.pids.apiServer),
  ]);
  return {
    operator: await usageOf(operator.pid),
    nats,
    apiServer,
    natsRequests,
    samples: parseExposition(text),
  };
}

const writes = /verb="(?:POST|PUT|PATCH)"/;

function figures(from: Look, to: Look): Figures {
  const seconds = (to.operator.atMs - from.operator.atMs) / 1_000;
  const requests = (matching?: RegExp): number =>
    (total(to.samples, 'penstock_api_requests_total', matching) -
      total(from.samples, 'penstock_api_requests_total', matching)) /
    seconds;
  return {
    latenessP99Seconds: histogramQuantile(from.samples, to.samples, 'penstock_pass_lateness_seconds', 0.99),
    operatorCores: cores(from.operator, to.operator),
    operatorMb: to.operator.residentMb,
    apiRequestsPerSecond: requests(),
    apiWritesPerSecond: requests(writes),
    natsRequestsPerSecond: (to.natsRequests - from.natsRequests) / seconds,
    natsCores: cores(from.nats, to.nats),
    apiServerCores: cores(from.apiServer, to.apiServer),
  };
}

/** All pools have been looked at, and the first statuses are written. */
async function untilCalm(
  operator: Program,
  look: () => Promise<Look>,
  pools: number,
  say: (line: string) => void,
): Promise<void> {
  const giveUpMs = performance.now() + readyDeadlineMs;
  let before: Look | undefined;
  for (let calm = 0; calm < calmLooks;) {
    await sleep(lookEveryMs);
    if (performance.now() > giveUpMs) throw new Error(`not calm within ${readyDeadlineMs / 1_000} s`);
    const now = await look().catch((error: unknown) => {
      if (operator.child.exitCode !== null) throw error;
      return undefined; // It is not listening yet.
    });
    if (now === undefined) continue;
    const passes = total(now.samples, 'penstock_pass_lateness_seconds_count');
    const written = before === undefined ? Infinity : figures(before, now).apiWritesPerSecond;
    say(`${passes} passes so far, ${Number.isFinite(written) ? written.toFixed(0) : '?'} writes per second`);
    calm = passes >= 3 * pools && written <= calmWritesPerSecond ? calm + 1 : 0;
    before = now;
  }
}

/** One message to ever other pools at zero, spread evenly; taken and acked as soon as a replica was asked for. */
async function change(estate: Estate, pools: number): Promise<{ seconds: number[]; missed: number }> {
  const waiting = new Map<number, number>();
  const seconds: number[] = [];
  const stop = new AbortController();
  const failures: unknown[] = [];
  const watching = estate.watchReplicas((pool, replicas) => {
    const publishedMs = waiting.get(pool);
    if (publishedMs === undefined || replicas === 0) return;
    seconds.push((performance.now() - publishedMs) / 1_000);
    waiting.delete(pool);
    estate.work(pool).catch((error: unknown) => failures.push(error));
  }, stop.signal);
  const everyMs = 60_000 / (pools * changedPerMinute);
  const endMs = performance.now() + changingMs;
  // Those at zero: all but each fifth. A step without a common divisor spreads them over streams and namespaces.
  const step = Math.max(1, Math.floor(pools * 0.381) * 5 + 1);
  let nextMs = performance.now() + everyMs;
  for (let pool = 1; performance.now() < endMs; pool = (pool + step) % pools) {
    await sleep(Math.max(0, nextMs - performance.now()));
    nextMs += everyMs;
    if (pool % 5 === 0 || waiting.has(pool)) continue;
    waiting.set(pool, performance.now());
    estate.publish(pool);
  }
  const giveUpMs = performance.now() + reactionDeadlineMs;
  while (waiting.size > 0 && performance.now() < giveUpMs) await sleep(100);
  stop.abort();
  await watching;
  if (failures.length > 0) throw new Error('a message could not be taken', { cause: failures[0] });
  return { seconds, missed: waiting.size };
}

function toResult(measured: readonly Measurement[]): BenchResult {
  return {
    title: 'operator-scale: one operator process, many pools',
    columns: [
      'period s',
      'lateness p99 s',
      'cores',
      'RSS MB',
      'API requests/s',
      'API writes/s',
      'NATS requests/s',
      'nats-server cores',
      'API server cores',
      'reaction p50 s',
      'reaction p99 s',
      'missed',
    ],
    rows: measured.flatMap((one) => [
      toRow(`${one.pools} pools, quiet`, one, one.quiet),
      toRow(`${one.pools} pools, 5 %/min change`, one, one.changing, one.reactionSeconds, one.missed),
    ]),
    ratios: [],
    notes: [
      'Aim: 5,000 pools at 1 s: lateness p99 <= 0.5 s, < 0.5 core, < 400 MB, no API writes while quiet, reaction p99 <= 3 s; 20,000 at 2 s: < 1 core, < 1 GB.',
      `nats-server at rest before the operator: ${measured.map(({ natsIdleCores }) => natsIdleCores.toFixed(3)).join(', ')} cores.`,
      'A reaction is the time from a publish to an idle pool until the API server tells of the new replicas. One pool in five has a replica.',
    ],
  };
}

function toRow(
  name: string,
  { periodSeconds }: Measurement,
  figures: Figures,
  reactions: readonly number[] = [],
  missed: number | null = null,
): BenchRow {
  return {
    name,
    cells: [
      periodSeconds,
      figures.latenessP99Seconds ?? null,
      figures.operatorCores,
      figures.operatorMb,
      figures.apiRequestsPerSecond,
      figures.apiWritesPerSecond,
      figures.natsRequestsPerSecond,
      figures.natsCores,
      figures.apiServerCores,
      quantile(reactions, 0.5) ?? null,
      quantile(reactions, 0.99) ?? null,
      missed,
    ],
  };
}
