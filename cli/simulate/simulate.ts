import { accessSync, constants, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { PenstockError, describeError } from '#common/errors.ts';
import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import { besideOracles, cheapestAsFast, oracles, run } from '../../operator/simulate/compare.ts';
import type { Run, Simulation } from '../../operator/simulate/compare.ts';
import { parsePeer } from '../../operator/simulate/contestants.ts';
import { drawSvg } from '../../operator/simulate/drawing.ts';
import { page } from '../../operator/simulate/page.ts';
import type { PageText } from '../../operator/simulate/page.ts';
import { fixed } from '../../operator/simulate/peers.ts';
import { overTime } from '../../operator/simulate/plots.ts';
import { penstock } from '../../operator/simulate/policy.ts';
import { tune } from '../../operator/simulate/tune.ts';
import type { SimulateOptions } from './options.ts';
import { runPipeline } from './pipeline.ts';
import { readAllPools, readPools } from './pools.ts';
import type { Pool } from './pools.ts';
import { progress } from './progress.ts';
import { readLoad, setUp } from './setup.ts';
import { outcomeLines } from './table.ts';
import { tuningJson, tuningRuns, tuningText } from './tuning.ts';

/** `penstock simulate`: what policies would have done with a load, beside their peers. */
export async function simulate(options: SimulateOptions): Promise<void> {
  for (const file of [options.html, options.svg]) if (file !== undefined) checkWritable(file);
  const pools = options.pipeline ? readStages(options.policy) : readPools(options.policy, options.pool);
  const { load, name: loadName } = await readLoad(options);
  const first = pools[0];
  if (first === undefined) throw new PenstockError('InvalidPolicy', 'give a file with a WorkerPool');
  const simulation = setUp(options, first.spec, load);
  const { objectiveSeconds } = simulation;
  const title = `${pools.map(({ name }) => name).join(', ')} over ${loadName}`;
  const text = { title, paragraphs: [describe(options, simulation)], objectiveSeconds };
  const about = { load: loadName, service: options.service, seed: options.seed, objectiveSeconds };
  if (options.tune) {
    const say = progress();
    const tuning = tune(simulation, first.spec, options.weight, (share) => say('searched', share));
    writePlots(options, text, tuningRuns(tuning));
    print(options, { ...about, ...tuningJson(tuning) }, text, tuningText(tuning, options.weight));
    return;
  }
  const runs = options.pipeline
    ? runPipeline(options, pools, load, progress())
    : compareAll(options, pools, first.spec, simulation);
  writePlots(options, text, runs);
  const outcomes = runs.map(({ outcome }) => outcome);
  print(options, { ...about, outcomes }, text, `${outcomeLines(outcomes, objectiveSeconds)}\n`);
}

/** @throws PenstockError `InvalidPolicy` unless one file has the stages in their order */
function readStages([file, ...more]: readonly string[]): readonly Pool[] {
  if (file === undefined || more.length > 0) {
    throw new PenstockError(
      'InvalidPolicy',
      'with --pipeline give one file, with a WorkerPool for each stage',
    );
  }
  return readAllPools(file);
}

function writePlots(options: SimulateOptions, text: PageText, runs: readonly Run[]): void {
  if (options.html !== undefined) writeText(options.html, page(text, runs));
  if (options.svg !== undefined) writeText(options.svg, drawSvg(overTime(runs, text.objectiveSeconds)));
}

function print(options: SimulateOptions, data: object, { title, paragraphs }: PageText, body: string): void {
  process.stdout.write(
    options.json ? `${JSON.stringify(data)}\n` : [title, ...paragraphs, '', body].join('\n'),
  );
}

/** The policies, then the peers, then the oracle that waits no longer than the first policy. */
function compareAll(
  options: SimulateOptions,
  pools: readonly Pool[],
  spec: WorkerPoolSpec,
  simulation: Simulation,
): readonly Run[] {
  const say = progress();
  const delaySeconds = Math.round(options.observationDelay / 1_000);
  const policies = pools.map(({ name, spec: own }) =>
    run(simulation, penstock(own, { delaySeconds }, pools.length === 1 ? 'Penstock' : name), {
      onProgress: (share) => say(name, share),
    }),
  );
  const peers = (options.peer ?? ['keda', 'hpa', meanSize(policies)]).map((text) => {
    const peer = parsePeer(text, { spec, slots: simulation.model.slots, delaySeconds });
    return run(simulation, peer, { onProgress: (share) => say(peer.name, share) });
  });
  const compared = [...policies, ...peers];
  if (!options.oracle) return compared;
  const known = oracles(simulation, (share) => say('oracle', share));
  const beside = [...policies, ...peers].map((each) => ({
    ...each,
    outcome: besideOracles(each.outcome, known),
  }));
  const best = policies[0] === undefined ? undefined : cheapestAsFast(known, policies[0].outcome);
  return best === undefined ? beside : [...beside, best];
}

/** As many replicas as the first policy used on average. */
function meanSize([policy]: readonly Run[]): string {
  if (policy === undefined) return fixed(1).name;
  const { outcome, timeline } = policy;
  return `fixed:${Math.max(1, Math.ceil(outcome.replicaSeconds / Math.max(1, timeline.seconds)))}`;
}

function describe({ service, seed }: SimulateOptions, { model, load, objectiveSeconds }: Simulation): string {
  const { slots, start } = model;
  const jitter = start.jitterSeconds === 0 ? '' : ` ± ${start.jitterSeconds} s`;
  return (
    `${load.jobs} jobs arrive within ${load.seconds} s and run ${service}; a replica runs ${slots} at once and takes ` +
    `${start.seconds} s${jitter} to start; seed ${seed}. The objective is that no job waits longer than ` +
    `${objectiveSeconds} s.`
  );
}

/** Before the work, since a path that is mistyped must not cost a long run. */
function checkWritable(file: string): void {
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw new PenstockError('OutputFailed', `cannot write ${file}: it is a folder; name a file in it`);
  }
  writing(file, () => accessSync(dirname(file), constants.W_OK));
}

function writeText(file: string, text: string): void {
  writing(file, () => writeFileSync(file, text));
}

/** @throws PenstockError `OutputFailed`, naming the file */
function writing(file: string, step: () => void): void {
  try {
    step();
  } catch (error) {
    throw new PenstockError('OutputFailed', `cannot write ${file}: ${describeError(error)}`, {
      cause: error,
    });
  }
}
