import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { PenstockError } from '#common/errors.ts';
import { localProcessSchema } from '#crds/local-process.ts';
import { workerPoolSchema } from '#crds/worker-pool.ts';
import type { WorkerPoolSpec } from '#crds/worker-pool.ts';

/** What the demo must know of the policy that the operator follows, so that nothing is said twice. */
export const policyFile = fileURLToPath(new URL('../examples/policies/demo.yaml', import.meta.url));

export type DemoPolicy = {
  /** namespace/name, as pass reports carry it. */
  readonly pool: string;
  readonly connection: string;
  readonly stream: string;
  readonly consumer: string;
  /** Where workers put jobs that they give up. */
  readonly deadLetterStream: string;
  /** Replicas when there is no work. */
  readonly minReplicas: number;
  readonly maxReplicas: number;
  /** Jobs that one replica runs at once. */
  readonly slots: number;
  /** What the pool aims at, and what it takes for granted until it has measured. */
  readonly aims: Pick<WorkerPoolSpec, 'objective' | 'prior' | 'zero'>;
};

/** @throws ZodError, PenstockError `InvalidPolicy`, when the file was edited into what the demo cannot run. */
export async function readPolicy(file: string): Promise<DemoPolicy> {
  const documents = parseAllDocuments(await readFile(file, 'utf8')).map(
    (document) => document.toJS() as unknown,
  );
  const [pool, target] = z.tuple([workerPoolSchema, localProcessSchema]).parse(documents);
  const [source, another] = pool.spec.sources;
  if (source === undefined || another !== undefined) {
    throw new PenstockError('InvalidPolicy', `${file}: the demo needs a pool with exactly one source`);
  }
  return {
    pool: `${pool.metadata.namespace}/${pool.metadata.name}`,
    connection: source.connection,
    stream: source.stream,
    consumer: source.consumer,
    minReplicas: pool.spec.minReplicas,
    maxReplicas: pool.spec.maxReplicas,
    deadLetterStream: z.string().parse(target.spec.env['PENSTOCK_DEAD_LETTER_STREAM']),
    aims: { objective: pool.spec.objective, prior: pool.spec.prior, zero: pool.spec.zero },
    slots: z.coerce.number().int().positive().parse(target.spec.env['PENSTOCK_SLOTS']),
  };
}
