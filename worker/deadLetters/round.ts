import type { Clock } from '#common/clock.ts';
import { PenstockError } from '#common/errors.ts';
import { sleep } from '#common/sleep.ts';
import { matches } from './letter.ts';
import type { DeadLetter, LetterFilter } from './letter.ts';
import type { DeadLetterStore } from './store.ts';

export type Round = {
  readonly filter: LetterFilter;
  /** Does what the round is for. Its error `RedriveRefused` concerns one letter; any other ends the round. */
  readonly act: (letter: DeadLetter) => Promise<void> | void;
  /** Longest pace; undefined is as fast as the server answers. */
  readonly perSecond: number | undefined;
  /** Ends the round between two letters. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly onRefused: (letter: DeadLetter, error: PenstockError) => void;
};

export type RoundSummary = {
  readonly matched: number;
  readonly done: number;
  readonly refused: number;
  readonly interrupted: boolean;
};

/** Goes through the letters that match, oldest first, one by one: whenever it ends, each is either done or untouched. */
export async function goRound(store: DeadLetterStore, round: Round): Promise<RoundSummary> {
  const { filter, act, perSecond, signal, clock, onRefused } = round;
  const count = { matched: 0, done: 0, refused: 0 };
  const isOver = (): boolean => signal.aborted;
  let dueMs = clock.monotonicMs();
  for await (const letter of store.letters()) {
    if (isOver()) break;
    if (!matches(letter, filter)) continue;
    if (perSecond !== undefined) {
      await sleep(dueMs - clock.monotonicMs(), signal);
      if (isOver()) break;
      // Time lost is not made up for: no burst ever exceeds the pace.
      dueMs = Math.max(dueMs, clock.monotonicMs()) + 1_000 / perSecond;
    }
    count.matched += 1;
    try {
      await act(letter);
      count.done += 1;
    } catch (error) {
      if (!(error instanceof PenstockError && error.code === 'RedriveRefused')) throw error;
      count.refused += 1;
      onRefused(letter, error);
    }
  }
  return { ...count, interrupted: isOver() };
}
