import { PenstockError } from '#common/errors.ts';
import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import { emptyHistory, measure } from '../measure/measure.ts';
import type { History } from '../measure/measure.ts';
import type { Signals } from '../measure/signals.ts';
import { explain } from './explain.ts';
import type { Explanation } from './explain.ts';
import type { RecordLine } from './recordFormat.ts';
import { readRecord } from './recordReader.ts';

type PassLine = Extract<RecordLine, { kind: 'pass' }>;
type Followed = {
  spec: WorkerPoolSpec;
  history: History;
  last: { readonly pass: PassLine; readonly signals: Signals; readonly spec: WorkerPoolSpec } | undefined;
};

/**
 * Explains the last pass over a pool in a record, measuring what was observed until then once more.
 *
 * @param choice.pool namespace/name; may be left out when there is only one.
 * @param choice.time ISO 8601: the last pass until then.
 * @throws PenstockError `InvalidRecord`, also when no pass fits.
 */
export async function explainRecord(
  file: string,
  choice: { readonly pool: string | undefined; readonly time: string | undefined },
): Promise<Explanation> {
  const pools = await follow(file, choice);
  const [only, ...more] = [...pools.values()].flatMap(({ last }) => last ?? []);
  if (only === undefined) {
    const when = choice.time === undefined ? '' : ` until ${choice.time}`;
    throw new PenstockError(
      'InvalidRecord',
      `${file}: there is no pass over ${choice.pool ?? 'any pool'}${when}`,
    );
  }
  if (more.length > 0) {
    const names = [...pools.keys()].join(', ');
    throw new PenstockError('InvalidRecord', `${file}: choose one with --pool: ${names}`);
  }
  const { pass, signals, spec } = only;
  return explain({ key: pass.pool, spec }, signals, pass.decision, pass.time);
}

async function follow(
  file: string,
  choice: { readonly pool: string | undefined; readonly time: string | undefined },
): Promise<ReadonlyMap<string, Followed>> {
  const pools = new Map<string, Followed>();
  const untilMs = choice.time === undefined ? Infinity : Date.parse(choice.time);
  let run: string | undefined;
  for await (const line of readRecord(file)) {
    if (line.kind === 'start') {
      // Times of another run mean nothing beside these.
      if (line.run !== run) for (const followed of pools.values()) followed.history = emptyHistory;
      run = line.run;
      continue;
    }
    if (choice.pool !== undefined && line.pool !== choice.pool) continue;
    if (line.kind === 'pool') {
      const before = pools.get(line.pool);
      const isSame = JSON.stringify(before?.spec.sources) === JSON.stringify(line.spec.sources);
      const history = isSame ? (before?.history ?? emptyHistory) : emptyHistory;
      pools.set(line.pool, { spec: line.spec, history, last: before?.last });
      continue;
    }
    const followed = pools.get(line.pool);
    if (followed === undefined) {
      throw new PenstockError('InvalidRecord', `${file}: a pass over ${line.pool} comes before its policy`);
    }
    if (Date.parse(line.time) > untilMs) continue;
    const measured = measure(followed.history, line.observation, followed.spec);
    followed.history = measured.history;
    followed.last = { pass: line, signals: measured.signals, spec: followed.spec };
  }
  return pools;
}
