import { describe, expect, test } from 'vitest';
import type { Job } from '../../../../worker/consume/job.ts';
import { Batch } from '../../../../worker/handle/batch.ts';
import type { BatchErrorMode, BatchHandler, BatchItem } from '../../../../worker/handle/batch.ts';
import type { JobContext } from '../../../../worker/handle/context.ts';

/** Runs a batch of four jobs, and tells what became of each. */
async function resultsOf(
  mode: BatchErrorMode,
  handler: BatchHandler,
  signal?: AbortSignal,
): Promise<string[]> {
  const results: string[] = [];
  const context = { signal: signal ?? new AbortController().signal, deadline: new Date(0) };
  const items = Array.from({ length: 4 }, (_, index) => ({
    job: { sequence: index } as Job,
    context: context as JobContext,
    resolve: () => void (results[index] ??= 'acked'),
    reject: (error: unknown) => void (results[index] ??= String(error)),
  }));
  await new Batch(items as unknown as [BatchItem], mode).run(handler);
  return results;
}

const nth = (jobs: readonly Job[], n: number): Job => {
  const job = jobs[n];
  if (job === undefined) throw new Error(`no job ${n}`);
  return job;
};
const boom = new Error('boom');
const handedBack = 'NotStarted: another job of its batch failed';

describe('a batch', () => {
  const cases: Record<string, { mode: BatchErrorMode; handler: BatchHandler; results: string[] }> = {
    'returns: all are acked': {
      mode: 'each',
      handler: () => undefined,
      results: ['acked', 'acked', 'acked', 'acked'],
    },
    'throws: all fail': {
      mode: 'each',
      handler: () => {
        throw boom;
      },
      results: Array<string>(4).fill('Error: boom'),
    },
  };
  test.each(Object.entries(cases))('that %s', async (_, { mode, handler, results }) => {
    expect(await resultsOf(mode, handler)).toEqual(results);
  });

  test('settles each job by its own result, and the first one counts', async () => {
    const results = await resultsOf('each', (jobs, context) => {
      context.fail(nth(jobs, 1), boom);
      context.done(nth(jobs, 2));
      context.fail(nth(jobs, 2), boom);
      context.done(nth(jobs, 1));
      throw new Error('later');
    });
    expect(results).toEqual(['Error: later', 'Error: boom', 'acked', 'Error: later']);
  });

  test('that fails fast is told so, and hands back what has no result', async () => {
    let reason: unknown;
    const results = await resultsOf('fail-fast', (jobs, context) => {
      context.done(nth(jobs, 0));
      expect(context.signal.aborted).toBe(false);
      context.fail(nth(jobs, 1), boom);
      reason = context.signal.reason;
    });
    expect(results).toEqual(['acked', 'Error: boom', handedBack, handedBack]);
    expect(reason).toBe(boom);
  });

  test('that collects stands or falls as a whole, and names all errors', async () => {
    const failed = await resultsOf('collect', (jobs, context) => {
      context.done(nth(jobs, 0));
      context.fail(nth(jobs, 1), boom);
      context.fail(nth(jobs, 3), new Error('bang'));
    });
    expect(failed).toEqual(Array<string>(4).fill('AggregateError: 2 errors in a batch of 4: boom; bang'));
    const fine = await resultsOf('collect', (jobs, context) => context.done(nth(jobs, 0)));
    expect(fine).toEqual(Array<string>(4).fill('acked'));
  });

  test('whose time was over before it began hands all back, and does not run', async () => {
    let ran = false;
    const results = await resultsOf('each', () => void (ran = true), AbortSignal.abort(boom));
    expect(ran).toBe(false);
    expect(results).toEqual(Array<string>(4).fill('NotStarted: the batch was not started in time'));
  });

  test('is aborted with its oldest job', async () => {
    const job = new AbortController();
    let reason: unknown;
    await resultsOf(
      'each',
      (_, { signal }) => {
        job.abort(boom);
        reason = signal.reason;
      },
      job.signal,
    );
    expect(reason).toBe(boom);
  });
});
