import { Counter, Gauge, Registry } from 'prom-client';
import type { BreakerState } from '#common/heartbeat.ts';
import type { Reply } from '#common/http.ts';
import { waitBoundsSeconds } from '#common/heartbeat.ts';
import { serviceBucketsSeconds } from './counters.ts';
import type { Counters } from './counters.ts';
import { processRegistry } from './processMetrics.ts';
import type { LimitView } from '../handle/limits.ts';
import type { Vitals } from './heartbeat.ts';

type Labels = { readonly stream: string; readonly consumer: string };
type Reading = readonly [name: string, help: string, read: (vitals: Vitals) => number];

const counters: readonly Reading[] = [
  ['deliveries_total', 'Messages received.', ({ counters: c }) => c.deliveries],
  [
    'first_deliveries_total',
    'Messages received with delivery count 1.',
    ({ counters: c }) => c.firstDeliveries,
  ],
  ['jobs_succeeded_total', 'Jobs acked.', ({ counters: c }) => c.succeeded],
  [
    'jobs_failed_total',
    'Times that a job failed, by an error or its time limit; not when discarded or interrupted.',
    ({ counters: c }) => c.failed,
  ],
  ['jobs_slow_total', "Jobs acked that took longer than the breaker's limit.", ({ counters: c }) => c.slow],
  ['breaker_openings_total', 'Times that the breaker opened.', ({ counters: c }) => c.breakerOpenings],
  [
    'jobs_retried_total',
    'Jobs handed back after a failure, to be tried again.',
    ({ counters: c }) => c.retried,
  ],
  [
    'retries_delayed_total',
    'Retries that waited longer because the retry budget was empty.',
    ({ counters: c }) => c.retriesDelayed,
  ],
  [
    'retries_in_place_total',
    'Retries for which the worker kept the job, to keep the order of its key.',
    ({ counters: c }) => c.retriedInPlace,
  ],
  ['batches_total', 'Calls of the batch handler.', ({ counters: c }) => c.batches],
  ['full_batches_total', 'Calls of the batch handler with a full batch.', ({ counters: c }) => c.fullBatches],
  ['lane_waits_total', 'Jobs that waited for another one of their key.', ({ counters: c }) => c.laneWaits],
  ['rate_waits_total', 'Jobs that waited for a rate limit.', ({ counters: c }) => c.rateWaits],
  [
    'rate_wait_seconds_total',
    'Time that jobs were made to wait by rate limits.',
    ({ counters: c }) => c.rateWaitMs / 1_000,
  ],
  [
    'jobs_rejected_total',
    'Jobs sent back for a while by the limit of their key.',
    ({ counters: c }) => c.rejected,
  ],
  [
    'jobs_expired_total',
    'Jobs given up unrun, too old or past their deadline.',
    ({ counters: c }) => c.expired,
  ],
  [
    'jobs_reprieved_total',
    'Jobs kept although their deliveries were used up, as some of those were no attempts.',
    ({ counters: c }) => c.reprieved,
  ],
  ['jobs_dead_lettered_total', 'Jobs given up.', ({ counters: c }) => c.deadLettered],
  ['jobs_timed_out_total', 'Jobs that passed their time limit.', ({ counters: c }) => c.timedOut],
  [
    'jobs_handed_back_total',
    'Jobs returned unstarted or unfinished, which is no failure: at a stop, by an open breaker, or beside one that failed its batch fast.',
    ({ counters: c }) => c.handedBack,
  ],
  ['leases_lost_total', 'Jobs whose lease ended before they were settled.', ({ counters: c }) => c.leaseLost],
  ['unconfirmed_acks_total', 'Acks that the server never confirmed.', ({ counters: c }) => c.unconfirmedAcks],
  [
    'dead_letter_failures_total',
    'Dead letters that could not be stored.',
    ({ counters: c }) => c.deadLetterFailures,
  ],
  [
    'duplicates_skipped_total',
    'Jobs acked without running, as they were done before.',
    ({ counters: c }) => c.duplicatesSkipped,
  ],
  [
    'duplicates_unknown_total',
    'Times that the jobs that are done could not be read.',
    ({ counters: c }) => c.duplicatesUnknown,
  ],
  [
    'duplicates_unrecorded_total',
    'Jobs that were done and could not be recorded as done.',
    ({ counters: c }) => c.duplicatesUnrecorded,
  ],
  ['single_flights_led_total', 'Works of single flights called here.', ({ counters: c }) => c.flightsLed],
  [
    'single_flights_shared_total',
    'Jobs that got the result of work that another job of this worker had begun.',
    ({ counters: c }) => c.flightsShared,
  ],
  [
    'single_flights_unguarded_total',
    'Single flights that could not reach their bucket, and were single in this worker only.',
    ({ counters: c }) => c.flightsUnguarded,
  ],
  [
    'published_total',
    'Messages of context.publish that were stored.',
    ({ published }) => published?.stored ?? 0,
  ],
  [
    'publish_failures_total',
    'Messages of context.publish that were not stored.',
    ({ published }) => published?.failed ?? 0,
  ],
  [
    'threads_lost_total',
    'Threads of the handler that were killed or died.',
    ({ threads }) => threads?.lost ?? 0,
  ],
  [
    'event_loop_blocks_total',
    'Times that the event loop stood still for longer than ack_wait, so that leases were lost.',
    ({ counters: c }) => c.loopBlocks,
  ],
  ['stray_rejections_total', 'Promises that handlers left rejected.', ({ counters: c }) => c.strayRejections],
  ['pulls_total', 'Pull requests sent.', ({ counters: c }) => c.pulls],
  ['pulls_voided_total', 'Times that the server voided all pulls.', ({ counters: c }) => c.voidedPulls],
  [
    'watchdog_repulls_total',
    'Times that a silent server was asked again.',
    ({ counters: c }) => c.watchdogRepulls,
  ],
  ['stalls_total', 'Times that messages waited and none was delivered.', ({ counters: c }) => c.stalls],
  ['reconnects_total', 'Reconnections to NATS.', ({ counters: c }) => c.reconnects],
  [
    'busy_slot_seconds_total',
    'Time that jobs spent in slots.',
    (v) => (v.counters.busySlotMs + v.runningMs) / 1_000,
  ],
  ['slot_seconds_total', 'Time that slots were open for jobs.', (v) => v.slotMs / 1_000],
];

const gauges: readonly Reading[] = [
  ['slots', 'Jobs that this worker can run at once, by weight.', ({ window }) => window.openSlots],
  ['jobs_running', 'Jobs that run now, by weight.', ({ window }) => window.running],
  ['jobs_buffered', 'Jobs delivered and not started.', ({ window }) => window.buffered],
  ['jobs_waiting', 'Jobs that wait for their key, its limit, or a retry.', ({ window }) => window.waiting],
  ['slot_states', 'Slots that keep something for their next jobs.', ({ slotStates }) => slotStates],
  [
    'publishing',
    'Messages of context.publish that are not confirmed, or wait for room.',
    ({ published: p }) => (p === undefined ? 0 : p.inFlight + p.waiting),
  ],
  ['lanes', 'Keys that have work.', ({ lanes }) => lanes],
  ['jobs_settling', 'Results on their way to the server.', ({ window }) => window.settling],
  [
    'breaker_state',
    '0 closed, or no breaker; 1 half-open; 2 open, no jobs are taken.',
    ({ breaker }) => (breaker === undefined ? 0 : breakerValues[breaker]),
  ],
  ['jobs_stuck', 'Jobs past their time limit that ignore the abort.', ({ window }) => window.stuck],
  ['prefetch', 'Messages held at most beyond the running ones.', ({ window }) => window.prefetch],
  [
    'oldest_running_seconds',
    'Age of the longest running job.',
    ({ oldestRunningMs }) => oldestRunningMs / 1_000,
  ],
];

type LimitReading = readonly [name: string, help: string, read: (limit: LimitView) => number];

const limitCounters: readonly LimitReading[] = [
  ['limit_waits_total', 'Jobs that had to wait for a named limit.', ({ waits }) => waits],
  ['limit_wait_seconds_total', 'Time that jobs waited for a named limit.', ({ waitMs }) => waitMs / 1_000],
];

const limitGauges: readonly LimitReading[] = [
  ['limit_capacity', 'How much of a named limit there is.', ({ capacity }) => capacity],
  ['limit_used', 'How much of a named limit is taken.', ({ used }) => used],
  ['limit_waiting', 'Jobs that wait for a named limit.', ({ waiting }) => waiting],
];

/** Without the feature there is no sample. */
const optionalGauges: readonly (readonly [
  name: string,
  help: string,
  read: (vitals: Vitals) => number | undefined,
])[] = [
  [
    'retry_budget_left',
    'Retries that the retry budget grants now; no sample without one.',
    ({ retryBudgetLeft }) => retryBudgetLeft,
  ],
  [
    'threads',
    'Threads of the handler; no sample unless jobs run in threads.',
    ({ threads }) => threads?.running,
  ],
];

const breakerValues: Record<BreakerState, number> = { closed: 0, 'half-open': 1, open: 2 };

const prefix = 'penstock_worker_';

/** The page at /metrics: names and meanings in docs/worker.md. Nothing is kept between scrapes. */
export async function renderMetrics(labels: Labels, vitals: Vitals): Promise<Reply> {
  const registry = new Registry();
  registry.setDefaultLabels(labels);
  const registers = [registry];
  for (const [name, help, read] of counters) {
    new Counter({ name: prefix + name, help, registers }).inc(read(vitals));
  }
  for (const [name, help, read] of gauges) {
    new Gauge({ name: prefix + name, help, registers }).set(read(vitals));
  }
  for (const [name, help, read] of optionalGauges) {
    const gauge = new Gauge({ name: prefix + name, help, registers });
    const value = read(vitals);
    if (value === undefined) gauge.remove();
    else gauge.set(value);
  }
  for (const [name, help, read] of limitCounters) {
    const counter = new Counter({ name: prefix + name, help, labelNames: ['limit'], registers });
    for (const limit of vitals.limits) counter.inc({ limit: limit.name }, read(limit));
  }
  for (const [name, help, read] of limitGauges) {
    const gauge = new Gauge({ name: prefix + name, help, labelNames: ['limit'], registers });
    for (const limit of vitals.limits) gauge.set({ limit: limit.name }, read(limit));
  }
  const parts = [
    await registry.metrics(),
    ...histograms.map((histogram) => renderHistogram(labels, histogram, vitals.counters)),
    await processRegistry.metrics(),
  ];
  const body = parts.join('\n');
  return { status: 200, contentType: registry.contentType, body };
}

type Histogram = {
  readonly name: string;
  readonly help: string;
  readonly bounds: readonly number[];
  readonly buckets: (from: Counters) => readonly number[];
  readonly sumMs: (from: Counters) => number;
};

const histograms: readonly Histogram[] = [
  {
    name: 'service_seconds',
    help: 'Run time of the jobs that succeeded.',
    bounds: serviceBucketsSeconds,
    buckets: ({ serviceBuckets }) => serviceBuckets,
    sumMs: ({ serviceSumMs }) => serviceSumMs,
  },
  {
    name: 'queue_wait_seconds',
    help: 'Time from being stored to the start of the first attempt.',
    bounds: waitBoundsSeconds,
    buckets: ({ waitBuckets }) => waitBuckets,
    sumMs: ({ waitSumMs }) => waitSumMs,
  },
];

/** Written by hand: prom-client fills a histogram observation by observation, and ours has been filled on the way. */
function renderHistogram({ stream, consumer }: Labels, histogram: Histogram, from: Counters): string {
  const name = prefix + histogram.name;
  const counts = histogram.buckets(from);
  const labels = `stream=${JSON.stringify(stream)},consumer=${JSON.stringify(consumer)}`;
  let cumulative = 0;
  const buckets = [...histogram.bounds, '+Inf'].map((bound, index) => {
    cumulative += counts[index] ?? 0;
    return `${name}_bucket{le="${bound}",${labels}} ${cumulative}\n`;
  });
  return [
    `# HELP ${name} ${histogram.help}\n# TYPE ${name} histogram\n`,
    ...buckets,
    `${name}_sum{${labels}} ${histogram.sumMs(from) / 1_000}\n`,
    `${name}_count{${labels}} ${cumulative}\n`,
  ].join('');
}
