import { basename } from 'node:path';
import { PenstockError } from '#common/errors.ts';
import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import { formatProblem, readPolicyFile } from '../../operator/platform/local/policyFiles.ts';

export type Pool = { readonly name: string; readonly file: string; readonly spec: WorkerPoolSpec };

/** One pool of each file, named by its file as well when there are several. */
export function readPools(files: readonly string[], name: string | undefined): readonly Pool[] {
  const pools = files.map((file) => readPool(file, name));
  if (pools.length === 1) return pools;
  return pools.map((pool) => ({ ...pool, name: `${pool.name} (${basename(pool.file)})` }));
}

/** @throws PenstockError `InvalidPolicy`, with file, line and field of each mistake */
export function readAllPools(file: string): readonly Pool[] {
  const { policies, problems } = readPolicyFile(file);
  if (problems.length > 0) throw new PenstockError('InvalidPolicy', problems.map(formatProblem).join('\n  '));
  return policies.pools.map(({ resource: { metadata, spec } }) => ({ name: metadata.name, file, spec }));
}

function readPool(file: string, wanted: string | undefined): Pool {
  const pools = readAllPools(file);
  const names = pools.map(({ name }) => name).join(', ');
  const [only, ...more] = pools.filter(({ name }) => wanted === undefined || name === wanted);
  if (only === undefined) {
    const missing = names === '' || wanted === undefined ? '' : ` ${wanted} (found: ${names})`;
    throw new PenstockError('InvalidPolicy', `${file}: there is no WorkerPool${missing}`);
  }
  if (more.length > 0) throw new PenstockError('InvalidPolicy', `${file}: choose one with --pool: ${names}`);
  return only;
}
