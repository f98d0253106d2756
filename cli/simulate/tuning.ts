import { stringify } from 'yaml';
import type { Run } from '../../operator/simulate/compare.ts';
import { settingsText } from '../../operator/simulate/tune.ts';
import type { Checked, Tuning } from '../../operator/simulate/tune.ts';
import { alignColumns } from './table.ts';

/** What a search found, for a person: the front, how it does on what was kept back, and the YAML to use. */
export function tuningText(tuning: Tuning, weight: number): string {
  const { given, chosen, front, trials, keptFromSeconds, generalizes } = tuning;
  const headings = ['', 'wait p95 s', 'cost', 'score', 'kept back: p95 s', 'cost', 'score', ''];
  const shown = new Set([
    given,
    ...thinned(front),
    ...front.filter(({ settings }) => settings === chosen.settings),
  ]);
  const rows = [...shown]
    .toSorted((a, b) => Number(b === given) - Number(a === given) || cost(a) - cost(b))
    .filter((trial) => trial === given || trial.settings !== given.settings)
    .map((trial) => cells(trial, given, chosen));
  const verdict = generalizes
    ? 'The choice is no worse on the part that was kept back. To use it:'
    : 'On the part that was kept back the choice is worse than the settings given: keep those. The choice was:';
  return [
    `${trials} settings were searched on the first ${keptFromSeconds} s and tried on the rest. The score is replica-seconds`,
    `per job plus ${weight} times the wait at p95; lower is better. Below the settings given stand some that no other one`,
    'beats in both waiting and cost (--json has all).',
    '',
    alignColumns([headings, ...rows]),
    '',
    verdict,
    '',
    stringify(yamlOf(chosen)).trimEnd(),
    '',
  ].join('\n');
}

/** So many at most, from end to end. */
const mostRows = 12;
const thinned = (front: readonly Checked[]): readonly Checked[] =>
  front.filter((_, index) => index % Math.ceil(front.length / mostRows) === 0);

/** The same as data. */
export function tuningJson(tuning: Tuning): object {
  const flat = ({ settings, searched, score, kept, keptScore }: Checked): object => ({
    settings,
    searched,
    score,
    kept: kept.outcome,
    keptScore,
  });
  const { given, chosen, front, ...rest } = tuning;
  return { ...rest, given: flat(given), chosen: flat(chosen), front: front.map(flat) };
}

/** The settings given and the choice on the part that was kept back, for plots. */
export const tuningRuns = ({ given, chosen }: Tuning): readonly Run[] =>
  given.settings === chosen.settings ? [given.kept] : [chosen.kept, given.kept];

const cost = ({ searched }: Checked): number => searched.replicaSeconds;

function cells(trial: Checked, given: Checked, chosen: Checked): readonly string[] {
  const { searched, score, kept, keptScore, settings } = trial;
  const decimals = (value: number | null): string => (value === null ? '–' : value.toFixed(2));
  const isGiven = settings === given.settings;
  const isChosen = settings === chosen.settings;
  return [
    settingsText(settings),
    decimals(searched.waitP95Seconds),
    decimals(searched.cost),
    decimals(score),
    decimals(kept.outcome.waitP95Seconds),
    decimals(kept.outcome.cost),
    decimals(keptScore),
    [isGiven ? 'given' : '', isChosen ? 'chosen' : ''].filter((word) => word !== '').join(', '),
  ];
}

function yamlOf({ settings: { utilizationPercent, drainSeconds, downWindowSeconds } }: Checked): object {
  return {
    spec: {
      objective: { drainSeconds, utilizationPercent },
      ...(downWindowSeconds === undefined
        ? {}
        : { behavior: { scaleDown: { stabilizationWindowSeconds: downWindowSeconds } } }),
    },
  };
}
