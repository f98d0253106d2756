import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Discard } from '../../../../worker/index.ts';
import type { BatchHandler } from '../../../../worker/index.ts';
import { runBatch } from '../../../../worker/testing/index.ts';
import type { BatchRun, RunBatchOptions } from '../../../../worker/testing/index.ts';

const given = [{ payload: 'a' }, { payload: 'b' }, { payload: 'c', attempt: 5 }];
const text = ({ data }: { readonly data: Uint8Array }): string => new TextDecoder().decode(data);

/** Fails the second job by itself. */
const failsOne: BatchHandler = (jobs, context) => {
  for (const job of jobs) if (text(job) === 'b') context.fail(job, new Discard('b is no good'));
};
const throws: BatchHandler = () => {
  throw new Error('no database');
};
const obedient: BatchHandler = (_jobs, { signal }) => delay(60_000, undefined, { signal });
const finishesOne: BatchHandler = async ([first], context) => {
  if (first !== undefined) context.done(first);
  await delay(60_000, undefined, { signal: context.signal });
};
const stubborn: BatchHandler = () => new Promise(() => undefined);

const ack = { kind: 'ack' };
const retry = { kind: 'retry' };
const exhausted = { kind: 'deadLetter', reason: 'AttemptsExhausted' };
const discarded = { kind: 'deadLetter', reason: 'Discarded' };
const handBack = { kind: 'handBack' };

type Case = {
  handler: BatchHandler;
  options?: RunBatchOptions;
  then?: (run: BatchRun) => void;
  outcomes: object[];
};
const cases: Record<string, Case> = {
  'that returns is acked': { handler: () => undefined, outcomes: [ack, ack, ack] },
  'that throws fails each by its own attempts': { handler: throws, outcomes: [retry, retry, exhausted] },
  'that fails one job fails no other': { handler: failsOne, outcomes: [ack, discarded, ack] },
  'that fails one job fast hands back the others': {
    handler: failsOne,
    options: { errors: 'fail-fast' },
    outcomes: [handBack, discarded, handBack],
  },
  'that stands or falls as a whole falls by one job': {
    handler: failsOne,
    options: { errors: 'collect' },
    outcomes: [discarded, discarded, discarded],
  },
  'that heeds its time limit fails': {
    handler: obedient,
    then: (run) => run.advance(300_000),
    outcomes: [retry, retry, exhausted],
  },
  'that ignores its time limit is given up after the grace': {
    handler: stubborn,
    options: { jobTimeoutMs: 1_000, abortGraceMs: 100 },
    then: (run) => run.advance(1_100),
    outcomes: [{ ...retry, error: { name: 'TimeoutError' } }, retry, exhausted],
  },
  'that is interrupted keeps what is done': {
    handler: finishesOne,
    then: (run) => setImmediate(() => run.shutDown()),
    outcomes: [ack, handBack, handBack],
  },
  'that loses its leases is no longer ours': {
    handler: obedient,
    then: (run) => run.loseLease(),
    outcomes: [{ kind: 'lost' }, { kind: 'lost' }, { kind: 'lost' }],
  },
};
test.each(Object.entries(cases))('a batch %s', async (_, { handler, options, then, outcomes }) => {
  const run = runBatch(handler, given, options);
  then?.(run);
  expect(await run.outcomes).toMatchObject(outcomes);
});

test('jobs of a batch are told apart, publish in their own names, and share single flights', async () => {
  let calls = 0;
  const run = runBatch(async (jobs, context) => {
    await Promise.all(
      jobs.map(async (job) => {
        const call = await context.of(job).singleFlight('key', () => (calls += 1));
        await context.of(job).publish({ subject: 'NEXT.one', data: `${job.idempotencyKey} ${call}` });
      }),
    );
  }, given);
  expect(await run.outcomes).toEqual([ack, ack, ack]);
  expect(run.published.map((messages) => messages.map(({ data }) => data))).toEqual([
    ['JOBS:1 1'],
    ['JOBS:2 1'],
    ['JOBS:3 1'],
  ]);
});

test('a batch without jobs is refused', () => {
  expect(() => runBatch(throws, [])).toThrow('given is []: must be at least one job');
});
