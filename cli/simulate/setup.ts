import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { PenstockError, describeError } from '#common/errors.ts';
import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import { readRecord } from '../../operator/report/recordReader.ts';
import type { Simulation } from '../../operator/simulate/compare.ts';
import type { Load } from '../../operator/simulate/load.ts';
import { seededRandom } from '../../operator/simulate/random.ts';
import { loadFromRecord } from '../../operator/simulate/recordedLoad.ts';
import { loadFromRate } from '../../operator/simulate/rateFunction.ts';
import { parseService } from '../../operator/simulate/service.ts';
import { parseTrace } from '../../operator/simulate/trace.ts';
import type { SimulateOptions } from './options.ts';

/** The load that the options name, and what to call it. */
export async function readLoad(
  options: SimulateOptions,
): Promise<{ readonly load: Load; readonly name: string }> {
  const { trace, rate, timeScale, gaps, seed, pool } = options;
  if (trace !== undefined && rate === undefined) {
    const areGapsQuiet = gaps === 'quiet';
    const text = readText(trace, 'InvalidTrace');
    if (text.startsWith('{')) {
      return {
        load: await loadFromRecord(readRecord(trace), trace, { pool, areGapsQuiet }),
        name: basename(trace),
      };
    }
    return {
      load: parseTrace(text, trace, { timeScale, areGapsQuiet }),
      name: basename(trace),
    };
  }
  if (rate !== undefined && trace === undefined) {
    return { load: loadFromRate(rate, seededRandom(seed)), name: rate };
  }
  throw new PenstockError('InvalidTrace', 'give either --trace FILE or --rate FUNCTION');
}

/** The simulation that the options describe, for replicas as the policy's prior says. */
export function setUp(options: SimulateOptions, spec: WorkerPoolSpec, load: Load): Simulation {
  const { failPercent, maxDeliver, maxAckPending, dependency, startJitter } = options;
  const service = parseService(options.service, (file) => readText(file, 'InvalidService'));
  const seconds = options.start === undefined ? spec.prior.startSeconds : options.start / 1_000;
  return {
    load,
    service,
    model: {
      slots: spec.prior.concurrency,
      start: { seconds, jitterSeconds: Math.min(seconds, startJitter / 1_000) },
      hasHeartbeats: options.heartbeats,
      retryMs: options.retryDelay,
      ackWaitMs: options.ackWait,
      extendsAckWait: options.ackWaitExtension,
      ...(failPercent === 0 ? {} : { failShare: () => failPercent / 100 }),
      ...(maxDeliver === undefined ? {} : { maxDeliver }),
      ...(maxAckPending === undefined ? {} : { maxAckPending }),
      ...(dependency === undefined ? {} : { dependencyPerSecond: () => dependency }),
    },
    maxReplicas: spec.maxReplicas,
    objectiveSeconds: spec.objective.drainSeconds,
    seed: options.seed,
  };
}

function readText(file: string, code: 'InvalidTrace' | 'InvalidService'): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new PenstockError(code, `cannot read ${file}: ${describeError(error)}`, { cause: error });
  }
}
