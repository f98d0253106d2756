import { workerPoolSpecSchema } from '#crds/worker-pool.ts';
import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import type { z } from 'zod';

type Overrides = Partial<z.input<typeof workerPoolSpecSchema>>;

/** A policy for one consumer, 0 to 40 replicas, defaults as the schema fills them in; the overrides win. */
export function spec(overrides: Overrides = {}): WorkerPoolSpec {
  return workerPoolSpecSchema.parse({
    scaleTargetRef: { name: 'thumbnails' },
    sources: [{ connection: 'nats', stream: 'JOBS', consumer: 'work' }],
    maxReplicas: 40,
    ...overrides,
  });
}

/** The same with round figures: 80 jobs/s keep 80 replicas busy that complete one a second, and ask for 100. */
export const specAt80 = (overrides: Overrides = {}): WorkerPoolSpec =>
  spec({ ...overrides, objective: { utilizationPercent: 80, ...overrides.objective } });
