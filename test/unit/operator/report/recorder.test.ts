import { appendFile, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLogger } from '#common/log.ts';
import type { RecordLine, RecordedPass } from '../../../../operator/report/recordFormat.ts';
import { readRecord } from '../../../../operator/report/recordReader.ts';
import { Recorder } from '../../../../operator/report/recorder.ts';
import { simulatedPasses } from '../../../builders/simulatedPasses.ts';
import { spec } from '../../../builders/spec.ts';

const time = '2026-01-02T03:04:05.000Z';
const log = createLogger('test', 'silent');

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'penstock-record-'));
  file = join(folder, 'passes.jsonl');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A clock that stands still, unless it is set. */
const clock = { atMs: 0, monotonicMs: () => clock.atMs, wallMs: () => 0 };

/** Writes passes as one run of an operator does, and says how many lines were written and dropped. */
async function record(
  passes: readonly RecordedPass[],
  options: { readonly maxBytes?: number; readonly to?: string } = {},
): Promise<Record<'written' | 'dropped', number>> {
  const lines = { written: 0, dropped: 0 };
  const { maxBytes = 1e9, to = file } = options;
  await using recorder = await Recorder.open(
    { file: to, maxBytes, onLines: (outcome, count) => (lines[outcome] += count) },
    clock,
    log,
  );
  for (const pass of passes) recorder.record(time, pass);
  await recorder[Symbol.asyncDispose]();
  return lines;
}

async function read(from = file): Promise<RecordLine[]> {
  const lines: RecordLine[] = [];
  for await (const line of readRecord(from)) lines.push(line);
  return lines;
}

const kinds = (lines: readonly RecordLine[]): string[] => lines.map(({ kind }) => kind);

describe('a record', () => {
  test('gives back the observations and decisions that were written', async () => {
    const passes = simulatedPasses({ seconds: 60 });
    expect(await record(passes)).toEqual({ written: 60, dropped: 0 });
    const [start, pool, ...rest] = await read();
    expect(start).toMatchObject({ kind: 'start', version: 1 });
    expect(pool).toEqual({ kind: 'pool', pool: 'default/work', spec: passes[0]?.pool.spec });
    expect(rest).toEqual(
      passes.map(({ observation, decision, outcome }) => ({
        ...{ kind: 'pass', time, pool: 'default/work', observation, decision },
        ...(outcome !== undefined && { outcome }),
      })),
    );
  });

  test('names the policy anew when it changes', async () => {
    const [pass] = simulatedPasses({ seconds: 1 });
    if (pass === undefined) throw new Error('no pass');
    const changed = { ...pass, pool: { ...pass.pool, spec: spec({ maxReplicas: 3 }) } };
    await record([pass, pass, changed]);
    expect(kinds(await read())).toEqual(['start', 'pool', 'pass', 'pass', 'pool', 'pass']);
  });

  test('stays within its size, and each of its two files can be read alone', async () => {
    const passes = simulatedPasses({ seconds: 120 });
    const maxBytes = 60_000;
    expect(await record(passes, { maxBytes })).toEqual({ written: 120, dropped: 0 });
    const sizes = await Promise.all([file, `${file}.1`].map(async (name) => (await stat(name)).size));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(maxBytes / 2);
    const [older, newer] = [await read(`${file}.1`), await read()];
    expect(kinds(older).slice(0, 3)).toEqual(['start', 'pool', 'pass']);
    expect(kinds(newer).slice(0, 3)).toEqual(['start', 'pool', 'pass']);
    const last = newer.at(-1);
    expect(last?.kind === 'pass' && last.observation).toEqual(passes.at(-1)?.observation);
  });

  test('goes on after a restart, also behind a line that was cut off', async () => {
    const passes = simulatedPasses({ seconds: 3 });
    await record(passes);
    await appendFile(file, '{"kind":"pass","time":"20');
    await record(passes);
    const lines = await read();
    const once = ['start', 'pool', 'pass', 'pass', 'pass'];
    expect(kinds(lines)).toEqual([...once, ...once]);
    const runs = lines.flatMap((line) => (line.kind === 'start' ? [line.run] : []));
    expect(new Set(runs).size).toBe(2);
  });

  test('may end in a line that was cut off', async () => {
    await record(simulatedPasses({ seconds: 2 }));
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.slice(0, -10));
    expect(kinds(await read())).toEqual(['start', 'pool', 'pass']);
  });
});

describe('what cannot be written', () => {
  test('is counted and given up, and recording goes on when the disk has room again', async () => {
    const [pass] = simulatedPasses({ seconds: 1 });
    if (pass === undefined) throw new Error('no pass');
    let told: (outcome: string) => void = () => undefined;
    const nextOutcome = (): Promise<string> => new Promise((resolve) => (told = resolve));
    await using recorder = await Recorder.open(
      { file, maxBytes: 8_000, onLines: (outcome) => told(outcome) },
      clock,
      log,
    );
    const outcomeOf = async (): Promise<string> => {
      const outcome = nextOutcome();
      recorder.record(time, pass);
      return await outcome;
    };
    expect(await outcomeOf()).toBe('written');
    // The next line fills the file, which cannot be renamed.
    await rm(folder, { recursive: true });
    while ((await outcomeOf()) === 'written');
    // The disk is left alone for a while.
    await mkdir(folder);
    expect(await outcomeOf()).toBe('dropped');
    await symlink('/dev/full', file);
    clock.atMs += 60_000;
    expect(await outcomeOf()).toBe('dropped');
    await rm(file);
    clock.atMs += 60_000;
    expect(await outcomeOf()).toBe('written');
    await recorder[Symbol.asyncDispose]();
    expect(kinds(await read())).toEqual(['start', 'pool', 'pass']);
  });

  test('is refused at the start where the file cannot be opened', async () => {
    const to = join(folder, 'none', 'passes.jsonl');
    await expect(record([], { to })).rejects.toThrow(/cannot record to .*passes\.jsonl: ENOENT/);
    await expect(record([], { to: '/dev/full' })).rejects.toThrow(/cannot record to \/dev\/full: ENOSPC/);
  });
});

describe('what is no record', () => {
  test.each([
    { title: 'an empty file', text: '', message: /is empty/ },
    { title: 'another file', text: 't_seconds,arrivals\n0,1\n', message: /:1: this is no record/ },
    {
      title: 'a version of the future',
      text: '{"kind":"start","version":2,"run":"a"}\n',
      message: /:1: field "version"/,
    },
    {
      title: 'a broken line in the middle',
      text: '{"kind":"start","version":1,"run":"a"}\n{"kind":\n{"kind":"pool"}\n',
      message: /:(2|3): /,
    },
    {
      title: 'a pass without a field',
      text: '{"kind":"start","version":1,"run":"a"}\n{"kind":"pass","time":"2026-01-02T03:04:05.000Z","pool":"a/b"}\n',
      message: /:2: field "observation"/,
    },
  ])('is told by file, line and field: $title', async ({ text, message }) => {
    await writeFile(file, text);
    await expect(read()).rejects.toThrow(message);
  });

  test('a file that is not there is told, too', async () => {
    await expect(read(join(folder, 'none'))).rejects.toThrow(/cannot read .*none: ENOENT/);
  });
});
