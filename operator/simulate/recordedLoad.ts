import { PenstockError } from '#common/errors.ts';
import { arrivals, continuity } from '../measure/continuity.ts';
import type { Reading } from '../measure/continuity.ts';
import type { RecordLine } from '../report/recordFormat.ts';
import { load } from './load.ts';
import type { Load } from './load.ts';

type Pass = Extract<RecordLine, { kind: 'pass' }>;
type Bins = { fromMs: number; toMs: number; jobs: number }[];

/**
 * The arrivals of one pool that an operator has recorded (docs/records.md): between two passes, what was added to the
 * streams of its sources.
 *
 * @param choice.pool namespace/name or name; may be left out when there is only one.
 * @throws PenstockError `InvalidTrace` for a time in which nobody knows what arrived, unless gaps are taken for quiet.
 */
export async function loadFromRecord(
  lines: AsyncIterable<RecordLine>,
  name: string,
  choice: { readonly pool: string | undefined; readonly areGapsQuiet: boolean },
): Promise<Load> {
  const bins: Bins = [];
  const pools = new Set<string>();
  let readings: readonly (Reading | undefined)[] = [];
  let before: Pass | undefined;
  let startMs = 0;
  for await (const line of lines) {
    if (line.kind !== 'pass' || !isChosen(line.pool, choice.pool)) continue;
    pools.add(line.pool);
    if (pools.size > 1) throw invalid(`${name}: choose one pool with --pool: ${[...pools].join(', ')}, …`);
    const nowMs = Date.parse(line.time);
    if (before === undefined) startMs = nowMs;
    const fromMs = before === undefined ? nowMs : Date.parse(before.time);
    const step = follow(line, readings);
    const isGap = step.isGap && before !== undefined;
    if (isGap && !choice.areGapsQuiet) {
      throw invalid(
        `${name}: it is not known what arrived between ${before?.time ?? ''} and ${line.time}; pass --gaps quiet if nothing did`,
      );
    }
    if (nowMs > fromMs)
      bins.push({ fromMs: fromMs - startMs, toMs: nowMs - startMs, jobs: Math.round(step.jobs) });
    [readings, before] = [step.readings, line];
  }
  if (bins.length === 0) throw invalid(`${name}: there are no two passes over ${choice.pool ?? 'any pool'}`);
  return load(bins, name);
}

const isChosen = (pool: string, wanted: string | undefined): boolean =>
  wanted === undefined || pool === wanted || pool.endsWith(`/${wanted}`);

/** What arrived at all sources since their last readings, and whether any of them cannot tell. */
function follow(
  { observation }: Pass,
  readings: readonly (Reading | undefined)[],
): { readonly jobs: number; readonly isGap: boolean; readonly readings: readonly (Reading | undefined)[] } {
  let [jobs, isGap] = [0, false];
  const next = observation.sources.map(({ consumer }, index) => {
    const before = readings[index];
    if (consumer.kind !== 'seen') return before;
    const now = { atMs: consumer.atMs, facts: consumer.value };
    const relation = continuity(before, now);
    if (relation.kind === 'dropped') return before;
    if (before !== undefined && relation.kind === 'step') jobs += arrivals(before.facts, now.facts, 1);
    else isGap = true;
    return now;
  });
  return { jobs, isGap, readings: next };
}

const invalid = (message: string): PenstockError => new PenstockError('InvalidTrace', message);
