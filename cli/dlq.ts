import { systemClock } from '#common/clock.ts';
import { PenstockError } from '#common/errors.ts';
import { connectNats } from '#common/nats.ts';
import type { NatsSettings } from '#common/nats.ts';
import { listenForShutdown } from '#common/shutdown.ts';
import { matches } from '../worker/deadLetters/letter.ts';
import type { DeadLetter, LetterFilter } from '../worker/deadLetters/letter.ts';
import { goRound } from '../worker/deadLetters/round.ts';
import { DeadLetterStore } from '../worker/deadLetters/store.ts';
import { letterAsJson, letterInFull, letterLine } from './deadLetterPrinter.ts';

export type DlqAction =
  | { readonly kind: 'list'; readonly limit: number }
  | { readonly kind: 'show'; readonly sequence: number }
  | { readonly kind: 'redrive'; readonly dryRun: boolean; readonly perSecond: number }
  | { readonly kind: 'purge'; readonly dryRun: boolean };

export type DlqArguments = {
  /** The stream of dead letters. */
  readonly stream: string;
  readonly filter: {
    readonly stream?: string;
    readonly consumer?: string;
    readonly reason?: string;
    readonly sequence?: number;
    /** Milliseconds before now. */
    readonly olderThan?: number;
    readonly newerThan?: number;
  };
  readonly json: boolean;
  readonly action: DlqAction;
};

type Place = { readonly store: DeadLetterStore; readonly filter: LetterFilter; readonly json: boolean };

/** `penstock dlq`. Returns the exit code. */
export async function dlq(args: DlqArguments, nats: NatsSettings): Promise<number> {
  using shutdown = listenForShutdown();
  const connection = await connectNats(nats, 'penstock-dlq');
  try {
    const store = await DeadLetterStore.open(connection, args.stream);
    const place = { store, filter: compileFilter(args.filter, systemClock.wallMs()), json: args.json };
    return await act(place, args.action, shutdown.requested);
  } finally {
    await connection.close();
  }
}

function compileFilter(given: DlqArguments['filter'], nowMs: number): LetterFilter {
  const { olderThan, newerThan, ...rest } = given;
  return {
    ...rest,
    beforeMs: olderThan === undefined ? undefined : nowMs - olderThan,
    sinceMs: newerThan === undefined ? undefined : nowMs - newerThan,
  };
}

async function act(place: Place, action: DlqAction, signal: AbortSignal): Promise<number> {
  switch (action.kind) {
    case 'list':
      return list(place, action.limit, signal);
    case 'show':
      return show(place, action.sequence);
    case 'redrive': {
      const { store } = place;
      const send = (letter: DeadLetter): Promise<void> => store.redrive(letter);
      return change(place, { ...action, verb: 'redriven', change: send }, signal);
    }
    case 'purge': {
      const { store } = place;
      const remove = (letter: DeadLetter): Promise<void> => store.remove(letter);
      return change(place, { ...action, verb: 'purged', change: remove, perSecond: undefined }, signal);
    }
  }
}

async function list({ store, filter, json }: Place, limit: number, signal: AbortSignal): Promise<number> {
  let listed = 0;
  for await (const letter of store.letters()) {
    if (signal.aborted) return 1;
    if (!matches(letter, filter)) continue;
    if (listed === limit) {
      complain(`there are more than ${limit}: raise --limit, or filter`);
      return 0;
    }
    listed += 1;
    print(json ? JSON.stringify(letterAsJson(letter)) : letterLine(letter));
  }
  if (!json) complain(`${listed} dead ${listed === 1 ? 'letter' : 'letters'}`);
  return 0;
}

async function show({ store, json }: Place, sequence: number): Promise<number> {
  const letter = await store.get(sequence);
  if (letter === undefined) {
    throw new PenstockError(
      'NoSuchLetter',
      `stream ${store.name} has no message ${sequence}; penstock dlq list ${store.name} shows what there is`,
    );
  }
  if (json) {
    print(JSON.stringify({ ...letterAsJson(letter), data: Buffer.from(letter.data).toString('base64') }));
  } else {
    print(letterInFull(letter));
  }
  return 0;
}

type Change = {
  readonly verb: 'redriven' | 'purged';
  readonly dryRun: boolean;
  readonly perSecond: number | undefined;
  readonly change: (letter: DeadLetter) => Promise<void>;
};

async function change({ store, filter, json }: Place, how: Change, signal: AbortSignal): Promise<number> {
  const { verb, dryRun, perSecond } = how;
  const summary = await goRound(store, {
    filter,
    act: dryRun ? () => undefined : how.change,
    perSecond: dryRun ? undefined : perSecond,
    signal,
    clock: systemClock,
    onRefused: (_, error) => complain(error.message),
  });
  const { matched, done, refused, interrupted } = summary;
  if (json) {
    print(JSON.stringify({ dryRun, matched, [verb]: dryRun ? 0 : done, refused, interrupted }));
  } else {
    const left = refused > 0 ? `, ${refused} refused and kept` : '';
    const cut = interrupted ? '; interrupted: the others are untouched' : '';
    print(dryRun ? `${matched} would be ${verb}${cut}` : `${done} ${verb}${left}${cut}`);
  }
  return refused > 0 || interrupted ? 1 : 0;
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const complain = (line: string): void => void process.stderr.write(`penstock: ${line}\n`);
