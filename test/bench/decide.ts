import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import { decide } from '../../operator/decide/decide.ts';
import { initialMemory, recordScale } from '../../operator/decide/memory.ts';
import { emptyHistory, measure } from '../../operator/measure/measure.ts';
import type { Signals } from '../../operator/measure/signals.ts';
import type { Observation } from '../../operator/observe/observation.ts';
import { spec } from '../builders/spec.ts';
import { seededRandom } from '../../operator/simulate/random.ts';
import { tell } from '../scenario/run.ts';
import { summarize } from './bench.ts';
import type { Bench, BenchRow, Measured } from './bench.ts';

const policy = spec({ maxReplicas: 30, prior: { concurrency: 4, serviceMilliseconds: 500 } });
const recordedSeconds = 600;
const runMs = 1_000;
/** Few enough that nothing is collected between the two looks at the heap. */
const allocationPasses = 300;

type Pass = { readonly observation: Observation; readonly signals: Signals };

/** The pure core on recorded passes of a busy pool: measuring and deciding, and deciding alone. */
export const decideBench: Bench = {
  name: 'decide',
  describe: 'decisions per second of the pure core on recorded passes, and allocation per decision',
  run({ say, runs }) {
    const passes = recordPasses();
    const replicas = mean(
      passes.map(({ signals: { workload } }) => (workload.kind === 'seen' ? workload.ready : 0)),
    );
    const whole: number[] = [];
    const alone: number[] = [];
    replayFor(runMs, () => replayWhole(passes));
    replayFor(runMs, () => replayDecide(passes));
    for (let run = 1; run <= runs; run += 1) {
      whole.push(replayFor(runMs, () => replayWhole(passes)));
      alone.push(replayFor(runMs, () => replayDecide(passes)));
      say(`run ${run}: ${whole.at(-1)?.toFixed(0)} passes/s, ${alone.at(-1)?.toFixed(0)} decisions/s`);
    }
    const few = passes.slice(0, allocationPasses);
    const decisions = summarize(alone);
    return Promise.resolve({
      title: 'decide: one pool, recorded passes of one second',
      columns: ['per second', 'bytes each'],
      rows: [
        row('measure and decide', summarize(whole), allocatedBy(few, replayWhole)),
        row('decide alone', decisions, allocatedBy(few, replayDecide)),
      ],
      ratios: [{ name: 'decisions/s / 100,000', value: scaled(decisions, 1 / 100_000), aim: '>= 1' }],
      notes: [
        `${recordedSeconds} passes with heartbeats of ${replicas.toFixed(1)} ready replicas on average, replayed in a row.`,
      ],
    });
  },
};

/** A pool under arrivals that rise and fall, so that it scales, holds, and goes to zero. */
function recordPasses(): readonly Pass[] {
  const random = seededRandom(1);
  const passes: Pass[] = [];
  let history = emptyHistory;
  tell({
    spec: policy,
    model: { random, serviceMs: 500, slots: 4, startMs: 2_000, hasHeartbeats: true },
    seconds: recordedSeconds,
    arrivals: (second) => random.poisson(second > 500 ? 0 : 60 + 55 * Math.sin(second / 40)),
    disturb: (observation) => {
      const measured = measure(history, observation, policy);
      history = measured.history;
      passes.push({ observation, signals: measured.signals });
      return observation;
    },
  });
  return passes;
}

function replayWhole(passes: readonly Pass[]): void {
  let history = emptyHistory;
  let memory = initialMemory(0);
  for (const { observation } of passes) {
    const measured = measure(history, observation, policy);
    history = measured.history;
    memory = decideOnce(policy, measured.signals, memory);
  }
}

function replayDecide(passes: readonly Pass[]): void {
  let memory = initialMemory(0);
  for (const { signals } of passes) memory = decideOnce(policy, signals, memory);
}

function decideOnce(
  given: WorkerPoolSpec,
  signals: Signals,
  memory: ReturnType<typeof initialMemory>,
): ReturnType<typeof initialMemory> {
  const nowMs = signals.atMs;
  const decided = decide({ spec: given, signals, memory, nowMs });
  const { decision } = decided;
  if (decision.kind === 'hold') return decided.memory;
  return recordScale(decided.memory, { from: decision.from, to: decision.to, atMs: nowMs });
}

/** @returns passes per second. */
function replayFor(atLeastMs: number, replay: () => void): number {
  const startedMs = performance.now();
  let replays = 0;
  let elapsedMs = 0;
  while (elapsedMs < atLeastMs) {
    replay();
    replays += 1;
    elapsedMs = performance.now() - startedMs;
  }
  return (replays * recordedSeconds * 1_000) / elapsedMs;
}

/** Mean bytes per pass; null without `--expose-gc`. */
function allocatedBy(passes: readonly Pass[], replay: (passes: readonly Pass[]) => void): number | null {
  if (globalThis.gc === undefined) return null;
  globalThis.gc();
  const before = process.memoryUsage().heapUsed;
  replay(passes);
  return Math.max(0, process.memoryUsage().heapUsed - before) / passes.length;
}

const row = (name: string, perSecond: Measured, bytes: number | null): BenchRow => ({
  name,
  cells: [perSecond, bytes],
});

const scaled = ({ median, min, max, runs }: Measured, by: number): Measured => ({
  median: median * by,
  min: min * by,
  max: max * by,
  runs,
});

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
