import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import { run } from './compare.ts';
import type { Outcome, Run, Simulation } from './compare.ts';
import { splitLoad } from './load.ts';
import { penstock } from './policy.ts';

/** The settings that matter most for a load. */
export type Settings = {
  readonly utilizationPercent: number;
  readonly drainSeconds: number;
  /** Undefined follows the start time, as by default. */
  readonly downWindowSeconds: number | undefined;
};

type Trial = {
  readonly settings: Settings;
  /** On the part of the load that was searched on. */
  readonly searched: Outcome;
  /** Replica-seconds per job, plus the weight times the wait at the 95th percentile; lower is better. */
  readonly score: number;
};

export type Checked = Trial & {
  /** On the part that was kept back. */
  readonly kept: Run;
  readonly keptScore: number;
};

export type Tuning = {
  /** Where the part that was kept back begins. */
  readonly keptFromSeconds: number;
  readonly trials: number;
  readonly given: Checked;
  readonly chosen: Checked;
  /** Settings that no other one beats in both waiting and cost, by rising cost. */
  readonly front: readonly Checked[];
  /** Whether the chosen ones are better on the part that was kept back too. */
  readonly generalizes: boolean;
};

const searchedShare = 0.6;
const utilizations = [50, 65, 80, 90, 95, 100];
/** Multiples of the drain objective that the policy has. */
const drains = [1 / 8, 1 / 4, 1 / 2, 1, 2];
const windows = [undefined, 15, 60, 300];

/**
 * Searches settings on the first 60 % of a load, and tries those on the front on the rest.
 *
 * @param weight replica-seconds that a second of waiting at the 95th percentile is worth, per job.
 */
export function tune(
  simulation: Simulation,
  spec: WorkerPoolSpec,
  weight: number,
  onProgress?: (share: number) => void,
): Tuning {
  const keptFromSeconds = Math.ceil(searchedShare * simulation.load.seconds);
  const [searchedLoad, keptLoad] = splitLoad(simulation.load, keptFromSeconds);
  const searching = { ...simulation, load: searchedLoad };
  const keeping = { ...simulation, load: keptLoad };
  const candidates = candidatesFor(spec);
  const trials = candidates.map((settings, index): Trial => {
    onProgress?.(index / candidates.length);
    const searched = run(searching, penstock(withSettings(spec, settings))).outcome;
    return { settings, searched, score: scoreOf(searched, weight) };
  });
  const check = (trial: Trial): Checked => {
    const kept = run(keeping, penstock(withSettings(spec, trial.settings), {}, settingsText(trial.settings)));
    return { ...trial, kept, keptScore: scoreOf(kept.outcome, weight) };
  };
  const [first] = trials;
  if (first === undefined) throw new Error('the settings given are always tried');
  const best = trials.reduce((least, trial) => (trial.score < least.score ? trial : least), first);
  const [given, chosen] = [check(first), check(best)];
  return {
    keptFromSeconds,
    trials: trials.length,
    given,
    chosen,
    front: frontOf(trials).map(check),
    generalizes: chosen.keptScore <= given.keptScore,
  };
}

/** Those of the policy first, then all others. */
function candidatesFor({ objective, behavior }: WorkerPoolSpec): readonly Settings[] {
  const given: Settings = {
    utilizationPercent: objective.utilizationPercent,
    drainSeconds: objective.drainSeconds,
    downWindowSeconds: behavior.scaleDown.stabilizationWindowSeconds,
  };
  const grid = utilizations.flatMap((utilizationPercent) =>
    drains.flatMap((share) =>
      windows.map((downWindowSeconds): Settings => ({
        utilizationPercent,
        drainSeconds: Math.max(1, Math.round(share * objective.drainSeconds)),
        downWindowSeconds,
      })),
    ),
  );
  return [given, ...grid.filter((settings) => settingsText(settings) !== settingsText(given))];
}

function withSettings(spec: WorkerPoolSpec, settings: Settings): WorkerPoolSpec {
  const { utilizationPercent, drainSeconds, downWindowSeconds } = settings;
  const { behavior, objective } = spec;
  return {
    ...spec,
    objective: { ...objective, utilizationPercent, drainSeconds },
    behavior: {
      ...behavior,
      scaleDown: { ...behavior.scaleDown, stabilizationWindowSeconds: downWindowSeconds },
    },
  };
}

export function settingsText({ utilizationPercent, drainSeconds, downWindowSeconds }: Settings): string {
  const window = downWindowSeconds === undefined ? 'as they start' : `${downWindowSeconds} s`;
  return `${utilizationPercent} %, drain ${drainSeconds} s, window ${window}`;
}

function scoreOf({ jobs, replicaSeconds, waitP95Seconds }: Outcome, weight: number): number {
  return replicaSeconds / Math.max(1, jobs) + weight * (waitP95Seconds ?? 0);
}

function frontOf(trials: readonly Trial[]): readonly Trial[] {
  let least = Infinity;
  return trials
    .toSorted(
      ({ searched: a }, { searched: b }) =>
        a.replicaSeconds - b.replicaSeconds || (a.waitP95Seconds ?? 0) - (b.waitP95Seconds ?? 0),
    )
    .filter(({ searched: { waitP95Seconds } }) => {
      const wait = waitP95Seconds ?? 0;
      if (wait >= least) return false;
      least = wait;
      return true;
    });
}
