import { statSync } from 'node:fs';
import { PenstockError, describeError } from '#common/errors.ts';
import type { Explanation } from '../operator/report/explain.ts';
import { explainRecord } from '../operator/report/recordedPass.ts';
import { explanationText } from '../operator/report/explainText.ts';

export type ExplainArguments = {
  /** namespace/name or name of a pool of a running operator, or a record. */
  readonly what: string;
  /** Where the running operator serves /pools. */
  readonly url: string;
  readonly pool: string | undefined;
  readonly time: string | undefined;
  readonly json: boolean;
};

const answerMs = 5_000;

/** `penstock explain`: why a pool has the replicas it has. */
export async function explain(args: ExplainArguments): Promise<void> {
  if (!isFile(args.what) && !poolName.test(args.what)) {
    throw new PenstockError(
      'InvalidRecord',
      `${args.what} is no file, and no name of a pool; give NAME, NAMESPACE/NAME or the path of a record`,
    );
  }
  const explanation = isFile(args.what)
    ? await explainRecord(args.what, { pool: args.pool && withNamespace(args.pool), time: args.time })
    : await askOperator(args.url, withNamespace(args.what));
  process.stdout.write(args.json ? `${JSON.stringify(explanation)}\n` : explanationText(explanation));
}

const withNamespace = (pool: string): string => (pool.includes('/') ? pool : `default/${pool}`);

const poolName = /^[a-z0-9][a-z0-9.-]*(\/[a-z0-9][a-z0-9.-]*)?$/;

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true;

async function askOperator(url: string, pool: string): Promise<Explanation> {
  const failed = (why: string, cause?: unknown): PenstockError =>
    new PenstockError('ExplainFailed', `asking ${url} about pool ${pool}: ${why}`, { cause });
  let response: Response;
  try {
    response = await fetch(new URL(`/pools/${pool}`, url), { signal: AbortSignal.timeout(answerMs) });
  } catch (error) {
    throw failed(
      `${describeError(error)}. Is there an operator (penstock local --http-port PORT, or a port-forward to it)? ` +
        `--url says where; a record is given by its path`,
      error,
    );
  }
  if (!response.ok) throw failed((await response.text()).trim());
  return (await response.json()) as Explanation; // Our own operator's answer, printed and nothing else.
}
