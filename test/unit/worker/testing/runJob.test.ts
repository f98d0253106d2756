import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Discard, RetryLater } from '../../../../worker/index.ts';
import type { Handler } from '../../../../worker/index.ts';
import { runJob } from '../../../../worker/testing/index.ts';
import type { GivenJob, JobRun, RunJobOptions } from '../../../../worker/testing/index.ts';

const obedient: Handler = (_job, { signal }) => delay(60_000, undefined, { signal });
const stubborn: Handler = () => new Promise(() => undefined);
const done: Handler = async (_job, { signal }) => {
  await delay(60_000, undefined, { signal }).catch(() => undefined);
};
const fail: Handler = () => {
  throw new Error('boom');
};

type Case = {
  handler: Handler;
  job?: GivenJob;
  options?: RunJobOptions;
  then?: (run: JobRun) => void;
  outcome: object;
};
const cases: Record<string, Case> = {
  'that returns is acked': { handler: () => 42, outcome: { kind: 'ack' } },
  'that fails is tried again': { handler: fail, outcome: { kind: 'retry', delayMs: 500 } },
  'that fails later waits longer': {
    handler: fail,
    job: { attempt: 3 },
    outcome: { kind: 'retry', delayMs: 2_000 },
  },
  'that fails has its delay where the test wants it': {
    handler: fail,
    options: { random: 0, backoff: { baseMs: 100, maxMs: 100 } },
    outcome: { kind: 'retry', delayMs: 0 },
  },
  'that fails for the last time is given up': {
    handler: fail,
    job: { attempt: 5 },
    outcome: { kind: 'deadLetter', reason: 'AttemptsExhausted' },
  },
  'that asks for a delay gets it': {
    handler: () => Promise.reject(new RetryLater(77)),
    outcome: { kind: 'retry', delayMs: 77 },
  },
  'that is discarded is given up': {
    handler: () => Promise.reject(new Discard('no')),
    outcome: { kind: 'deadLetter', reason: 'Discarded' },
  },
  'without JSON is given up by whoever reads it as such': {
    handler: (job) => job.json(),
    job: { payload: '{' },
    outcome: { kind: 'deadLetter', reason: 'MalformedPayload' },
  },
  'that heeds its time limit fails': {
    handler: obedient,
    then: (run) => run.advance(300_000),
    outcome: { kind: 'retry' },
  },
  'that returns after its time limit is acked': {
    handler: done,
    then: (run) => run.advance(300_000),
    outcome: { kind: 'ack' },
  },
  'that ignores its time limit is given up after the grace': {
    handler: stubborn,
    options: { jobTimeoutMs: 1_000, abortGraceMs: 100 },
    then: (run) => {
      run.advance(1_000);
      run.advance(100);
    },
    outcome: { kind: 'retry', error: { name: 'TimeoutError' } },
  },
  'that is interrupted by the end of the worker is handed back': {
    handler: obedient,
    job: { attempt: 5 },
    then: (run) => run.shutDown(),
    outcome: { kind: 'handBack' },
  },
  'that loses its lease is no longer ours': {
    handler: obedient,
    then: (run) => run.loseLease(),
    outcome: { kind: 'lost' },
  },
};
test.each(Object.entries(cases))('a job %s', async (_, { handler, job, options, then, outcome }) => {
  const run = runJob(handler, job, options);
  then?.(run);
  expect(await run.outcome).toMatchObject(outcome);
});

test('a job has what the worker would give it', async () => {
  let seen: unknown;
  const handler: Handler = (job) => {
    seen = [
      job.json(),
      job.headers.get('tenant'),
      job.idempotencyKey,
      job.subject,
      job.stream,
      job.sequence,
      job.attempt,
    ];
  };
  await runJob(handler, { payload: { n: 1 }, headers: { Tenant: 'acme', 'Nats-Msg-Id': 'a' } }).outcome;
  expect(seen).toEqual([{ n: 1 }, 'acme', 'a', 'jobs.test', 'JOBS', 1, 1]);
  await runJob(handler, { payload: '[]', sequence: 7 }).outcome;
  expect(seen).toEqual([[], undefined, 'JOBS:7', 'jobs.test', 'JOBS', 7, 1]);
});

test('what a handler publishes can be looked at, and not after the abort', async () => {
  const run = runJob(async (_job, context) => {
    await context.publish({ subject: 'NEXT.one', data: 'first' });
    await delay(60_000, undefined, { signal: context.signal }).catch(() => undefined);
    await context.publish({ subject: 'NEXT.two', data: 'second' });
  });
  run.advance(300_000);
  expect(await run.outcome).toMatchObject({ kind: 'retry', error: { name: 'TimeoutError' } });
  expect(run.published).toEqual([{ subject: 'NEXT.one', data: 'first' }]);
});

test('one call serves all who ask at once', async () => {
  let calls = 0;
  const origin = (): Promise<number> => {
    calls += 1;
    return Promise.resolve(calls);
  };
  const run = runJob(async (_job, context) => {
    const answers = await Promise.all([1, 2, 3].map(() => context.singleFlight('key', origin)));
    expect(answers).toEqual([1, 1, 1]);
  });
  expect(await run.outcome).toEqual({ kind: 'ack' });
});
