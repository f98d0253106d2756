import { Counter, Registry, collectDefaultMetrics } from 'prom-client';

/**
 * What is true of the process, whatever runs in it: memory, CPU, garbage collection, open handles by kind
 * (`nodejs_active_resources`), lag of the event loop (`nodejs_eventloop_lag_…`), and how busy that is.
 */
export const processRegistry = new Registry();

collectDefaultMetrics({ register: processRegistry });

for (const kind of ['active', 'idle'] as const) {
  new Counter({
    name: `penstock_worker_event_loop_${kind}_seconds_total`,
    help: `Time that the event loop was ${kind}: busy with code when active, waiting when idle.`,
    registers: [processRegistry],
    collect() {
      this.reset();
      this.inc(performance.eventLoopUtilization()[kind] / 1_000);
    },
  });
}
