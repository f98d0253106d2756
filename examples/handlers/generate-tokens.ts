/**
 * Stands for a model server that generates tokens: a job waits as long as its answer would take. Each start and end is
 * noted where the environment says.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Discard } from 'penstock/worker';
import type { Job, JobContext } from 'penstock/worker';
import { z } from 'zod';
import { openNotes } from './job-notes.ts';

const requestSchema = z.object({
  id: z.string(),
  serviceMs: z.number().min(0).max(60_000),
});

const note = await openNotes();

export default async function generateTokens(job: Job, context: JobContext): Promise<void> {
  const request = requestSchema.safeParse(job.json());
  if (!request.success) throw new Discard(`not a request for tokens: ${z.prettifyError(request.error)}`);
  const { id, serviceMs } = request.data;
  await note('start', id, job.attempt);
  await sleep(serviceMs, undefined, { signal: context.signal });
  await note('end', id, job.attempt);
}
