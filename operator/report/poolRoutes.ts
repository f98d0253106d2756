import { json, text } from '#common/http.ts';
import type { Routes } from '#common/http.ts';
import type { LastPasses } from './lastPasses.ts';

/**
 * What `penstock explain` asks a running operator: read-only, of the last passes; nothing is measured for it.
 *
 * @param isLeading whether this operator does the passes; another one only watches.
 */
export const poolRoutes = (passes: LastPasses, isLeading: () => boolean): Routes => ({
  '/pools': () => json(200, passes.list()),
  '/pools/*': (pool) => {
    if (!isLeading()) return text(503, 'this replica of the operator does not lead; ask the other one\n');
    const explanation = passes.explain(pool);
    return explanation === undefined
      ? text(404, `there has been no pass over a pool ${JSON.stringify(pool)}; /pools lists them\n`)
      : json(200, explanation);
  },
});
