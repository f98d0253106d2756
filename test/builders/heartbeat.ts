import type { Heartbeat } from '#common/heartbeat.ts';

/** A heartbeat of a worker that has just started; the overrides win. */
export function heartbeat(overrides: Partial<Heartbeat> = {}): Heartbeat {
  return {
    version: 1,
    worker: 'worker-1',
    replica: overrides.worker ?? 'worker-1',
    stream: 'JOBS',
    consumer: 'work',
    startedAtMs: 1,
    sequence: 1,
    state: 'running',
    slots: 4,
    busy: 0,
    buffered: 0,
    stuck: 0,
    oldestRunningMs: 0,
    totals: {
      deliveries: 0,
      firstDeliveries: 0,
      succeeded: 0,
      retried: 0,
      deadLettered: 0,
      timedOut: 0,
      handedBack: 0,
      leaseLost: 0,
      busySlotMs: 0,
      slotMs: 0,
    },
    service: { count: 0, sumMs: 0, sumSquaresMs2: 0 },
    ...overrides,
  };
}
