import { Batch } from '../handle/batch.ts';
import type { BatchErrorMode, BatchHandler, BatchItem } from '../handle/batch.ts';
import { SingleFlights } from '../handle/singleFlight.ts';
import { invalidOption } from '../optionChecks.ts';
import { workerDefaults } from '../options.ts';
import type { OutgoingMessage } from '../produce/wire.ts';
import { Counters } from '../report/counters.ts';
import { toJob } from './givenJob.ts';
import type { GivenJob } from './givenJob.ts';
import { InMemoryRun } from './runJob.ts';
import type { JobOutcome, RunJobOptions } from './runJob.ts';

export type RunBatchOptions = RunJobOptions & {
  /** What an error means for the other jobs of the batch. Default `each`. */
  readonly errors?: BatchErrorMode;
};

/** A batch that runs, without a server, in a time that only the test moves on. */
export type BatchRun = {
  /** Resolves when the fate of every message is known, in the order in which they were given; never rejects. */
  readonly outcomes: Promise<readonly JobOutcome[]>;
  /** What the handler has published so far in the name of each job (`context.of(job).publish`), in that order. */
  readonly published: readonly (readonly OutgoingMessage[])[];
  /** Whether the handler has been told to stop. */
  readonly signal: AbortSignal;
  /** As for a single job; all jobs of the batch began at once. */
  advance(ms: number): void;
  shutDown(): void;
  loseLease(): void;
};

/**
 * Runs a batch handler once in memory.
 *
 *   const run = runBatch(insertRows, [{ payload: { id: 1 } }, { payload: 'no row' }]);
 *   expect(await run.outcomes).toMatchObject([{ kind: 'ack' }, { kind: 'deadLetter' }]);
 *
 * @param given at least one job; sequence numbers count from 1 unless they are given.
 * @throws PenstockError `InvalidOptions` without a job.
 */
export function runBatch(
  handler: BatchHandler,
  given: readonly GivenJob[],
  options: RunBatchOptions = {},
): BatchRun {
  const items: BatchItem[] = [];
  const flights = new SingleFlights(undefined, new Counters());
  const runs = given.map((job, index) => {
    const wait = (own: BatchItem['job'], context: BatchItem['context']): Promise<void> =>
      new Promise((resolve, reject: (error: unknown) => void) => {
        items.push({ job: own, context, resolve, reject });
      });
    return new InMemoryRun(wait, toJob({ sequence: index + 1, ...job }), options, flights);
  });
  const [first, ...others] = items;
  if (first === undefined) throw invalidOption('given', given, 'must be at least one job');
  const batch = new Batch([first, ...others], options.errors ?? workerDefaults.batchErrors);
  void batch.run(handler);
  return {
    outcomes: Promise.all(runs.map(({ outcome }) => outcome)),
    published: runs.map(({ published }) => published),
    signal: batch.signal,
    advance: (ms) => runs.forEach((run) => run.advance(ms)),
    shutDown: () => runs.forEach((run) => run.shutDown()),
    loseLease: () => runs.forEach((run) => run.loseLease()),
  };
}
