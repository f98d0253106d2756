import { text } from '#common/http.ts';
import type { Routes } from '#common/http.ts';
import type { BreakerState, WorkerState } from '#common/heartbeat.ts';
import type { Window } from '../consume/window.ts';

export type Health = {
  readonly state: WorkerState;
  /** Whether pulls are being served. */
  readonly isPulling: boolean;
  readonly breaker: BreakerState | undefined;
  readonly window: Window;
};

/**
 * The probes.
 *
 * - /healthz fails when a restart would help: every slot is held by a job that ignores its abort. (An event loop that
 *   is blocked answers nothing, which fails the probe too.)
 * - /readyz fails while the worker does not take jobs: starting, cut off from NATS or the consumer,
 *   draining, or held off by an open breaker.
 */
export function probeRoutes(read: () => Health): Routes {
  return {
    '/healthz': () => {
      const { window } = read();
      return window.stuck < window.slots
        ? text(200, 'ok\n')
        : text(503, `all ${window.slots} slots are held by jobs that ignore their abort\n`);
    },
    '/readyz': () => {
      const { state, isPulling, breaker } = read();
      if (state !== 'running') return text(503, `${state}\n`);
      if (breaker === 'open') return text(503, 'the circuit breaker is open\n');
      return isPulling ? text(200, 'ok\n') : text(503, 'no connection to NATS, or no consumer\n');
    },
  };
}
