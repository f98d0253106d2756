import type { Clock } from '#common/clock.ts';
import { serveHttp, text } from '#common/http.ts';
import type { Logger } from '#common/log.ts';
import type { NatsSettings } from '#common/nats.ts';
import { Connections } from '../observe/connections.ts';
import { LocalPlatform } from '../platform/local/local.ts';
import { Controller } from '../reconcile/controller.ts';
import { LastPasses } from '../report/lastPasses.ts';
import { OperatorMetrics } from '../report/metrics.ts';
import type { PassReport } from '../report/passReport.ts';
import { poolRoutes } from '../report/poolRoutes.ts';
import { Recorder } from '../report/recorder.ts';
import type { RecorderOptions } from '../report/recorder.ts';

export type LocalOperatorOptions = {
  readonly files: readonly string[];
  readonly nats: NatsSettings;
  /** What replicas inherit. */
  readonly environment: Readonly<Record<string, string>>;
  readonly periodMs: number;
  /** Port of /metrics and the probes; undefined serves none. */
  readonly httpPort: number | undefined;
  /** Where passes are recorded; undefined records none. */
  readonly record: Pick<RecorderOptions, 'file' | 'maxBytes'> | undefined;
  /** Called after every pass over every pool. */
  readonly onReport: (report: PassReport) => void;
};

export type LocalOperator = AsyncDisposable & {
  /** Port of /metrics and the probes, once it is known. */
  readonly httpPort: number | undefined;
  /** Ends all replicas at once, without grace. */
  kill(): void;
};

/**
 * The operator on one machine: runs until it is disposed, which ends its replicas within their grace.
 *
 * @throws PenstockError `InvalidPolicy` for files with mistakes, `PortInUse`, `InvalidConfiguration`.
 */
export async function startLocalOperator(
  options: LocalOperatorOptions,
  clock: Clock,
  log: Logger,
): Promise<LocalOperator> {
  const platform = new LocalPlatform(options, clock, log);
  const connections = new Connections(clock, log);
  const metrics = new OperatorMetrics();
  const passes = new LastPasses();
  const recorder =
    options.record === undefined
      ? undefined
      : await Recorder.open({ ...options.record, onLines: (o, n) => metrics.recorded(o, n) }, clock, log);
  const controller = new Controller(
    { platform, connections, clock, mayAct: true },
    {
      periodMs: options.periodMs,
      mayRest: false,
      onReport: (report, times, details) => {
        metrics.observe(report, times);
        recorder?.record(report.time, details);
        passes.keep({ time: report.time, ...details });
        options.onReport(report);
      },
      onStill: (times) => metrics.still(times),
      onPassError: (pool) => metrics.passFailed(pool),
    },
    log,
  );
  const http =
    options.httpPort === undefined
      ? undefined
      : await serveHttp('127.0.0.1', options.httpPort, {
          '/metrics': () => metrics.reply(),
          ...poolRoutes(passes, () => true),
          '/healthz': () => text(200, 'ok\n'),
          '/readyz': () => text(200, 'ok\n'),
        });

  platform.start();
  controller.sync();
  const timer = setInterval(() => {
    platform.tick();
    controller.sync();
    const keys = new Set(platform.pools().map(({ key }) => key));
    metrics.keepOnly(keys);
    passes.keepOnly(keys);
    connections
      .closeUnused()
      .catch((error: unknown) => log.error({ err: error }, 'closing connections failed'));
  }, options.periodMs);

  return {
    httpPort: http?.port,
    kill: () => platform.kill(),
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await controller.stop();
      await platform[Symbol.asyncDispose]();
      await connections[Symbol.asyncDispose]();
      await recorder?.[Symbol.asyncDispose]();
      await http?.[Symbol.asyncDispose]();
    },
  };
}

/**
 * Measures once and says what would be decided; starts and changes nothing. Rates need two looks, so arrivals and
 * completions are unknown here.
 *
 * @param connectMs longest time to wait for NATS.
 */
export async function lookOnce(
  options: Pick<LocalOperatorOptions, 'files' | 'nats' | 'environment'>,
  connectMs: number,
  clock: Clock,
  log: Logger,
): Promise<PassReport[]> {
  const platform = new LocalPlatform(options, clock, log);
  await using connections = new Connections(clock, log);
  await connections.settled(
    platform.pools().flatMap((pool) => pool.spec.sources.map((source) => platform.connection(pool, source))),
    connectMs,
  );
  const nothing = (): void => undefined;
  const controller = new Controller(
    { platform, connections, clock, mayAct: false },
    { periodMs: 0, mayRest: false, onReport: nothing, onStill: nothing, onPassError: nothing },
    log,
  );
  return await controller.once();
}
