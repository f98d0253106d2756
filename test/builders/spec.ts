import { workerPoolSpecSchema } from '#crds/worker-pool.ts';
import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import type { z } from 'zod';

/** A policy for one consumer, 0 to 40 replicas, defaults as the schema fills them in; the overrides win. */
export function spec(overrides: Partial<z.input<typeof workerPoolSpecSchema>> = {}): WorkerPoolSpec {
  return workerPoolSpecSchema.parse({
    scaleTargetRef: { name: 'thumbnails' },
    sources: [{ connection: 'nats', stream: 'JOBS', consumer: 'work' }],
    maxReplicas: 40,
    ...overrides,
  });
}
