import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Reply } from '#common/http.ts';
import type { Answered } from './server.ts';

/** What the intake tells Prometheus. */
export class IntakeMetrics {
  readonly #registry = new Registry();
  readonly #requests = new Counter({
    name: 'penstock_intake_requests_total',
    help: 'Requests answered, by status.',
    labelNames: ['status'],
    registers: [this.#registry],
  });
  readonly #seconds = new Histogram({
    name: 'penstock_intake_request_seconds',
    help: 'Time from the first line of a request to its answer.',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [this.#registry],
  });

  /** @param backlog undefined while it is unknown or not watched; then no figure is given. */
  constructor(read: () => { readonly inFlight: number; readonly backlog: number | undefined }) {
    for (const status of [202, 400, 404, 413, 503]) this.#requests.inc({ status }, 0);
    new Gauge({
      name: 'penstock_intake_requests_in_flight',
      help: 'Requests that are being read or stored.',
      registers: [this.#registry],
      collect() {
        this.set(read().inFlight);
      },
    });
    new Gauge({
      name: 'penstock_intake_backlog_jobs',
      help: 'Jobs that wait for the watched consumer or are held by workers; absent while unknown.',
      labelNames: [],
      registers: [this.#registry],
      collect() {
        const { backlog } = read();
        if (backlog === undefined) this.remove();
        else this.set(backlog);
      },
    });
  }

  answered({ status, ms }: Answered): void {
    this.#requests.inc({ status });
    this.#seconds.observe(ms / 1_000);
  }

  async render(): Promise<Reply> {
    return { status: 200, contentType: this.#registry.contentType, body: await this.#registry.metrics() };
  }
}
