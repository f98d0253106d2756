import { systemClock } from '#common/clock.ts';
import { serveHttp, text } from '#common/http.ts';
import { createLogger } from '#common/log.ts';
import type { Logger } from '#common/log.ts';
import type { NatsConnection } from '#common/nats.ts';
import { listenForShutdown } from '#common/shutdown.ts';
import type { Shutdown } from '#common/shutdown.ts';
import { connectPatiently } from '../lifecycle/connect.ts';
import { within } from '../lifecycle/within.ts';
import { Publisher } from '../produce/publisher.ts';
import { Backlog } from './backlog.ts';
import type { IntakeConfig } from './config.ts';
import { Gate } from './gate.ts';
import { takeIn } from './intake.ts';
import { IntakeMetrics } from './metrics.ts';
import { serveIntake } from './server.ts';

/**
 * The intake program: takes jobs in by HTTP, until a signal ends it. The first SIGTERM or SIGINT lets what is under way
 * end within the grace; a second one cuts it off.
 *
 * @throws PenstockError when it cannot start.
 */
export async function runIntake(config: IntakeConfig): Promise<void> {
  using shutdown = listenForShutdown();
  const log = createLogger('intake', config.logLevel);
  const backlog = new Backlog();
  const gate = new Gate(config, backlog);
  const metrics = new IntakeMetrics(() => ({ inFlight: gate.inFlight, backlog: backlog.jobs }));
  await using probes = await serveHttp(config.http.host, config.http.port, {
    '/metrics': () => metrics.render(),
    '/healthz': () => text(200, 'ok\n'),
    '/readyz': () =>
      gate.isConnected && !shutdown.requested.aborted
        ? text(200, 'ok\n')
        : text(503, 'not connected to NATS, or stopping\n'),
  });
  log.info({ port: probes.port }, 'metrics and probes are served');
  const { requested } = shutdown;
  const connection = await connectPatiently(config.nats, 'penstock-intake', Math.random, requested, log);
  if (connection === undefined) return;
  try {
    if (config.backlog !== undefined) void backlog.watch(connection, config.backlog, requested, log);
    await serve({ config, gate, backlog, metrics, connection, shutdown, log });
  } finally {
    await within(config.graceMs, connection.drain(), shutdown.forced);
    await connection.close();
  }
  log.info('stopped');
}

type Parts = {
  readonly config: IntakeConfig;
  readonly gate: Gate;
  readonly backlog: Backlog;
  readonly metrics: IntakeMetrics;
  readonly connection: NatsConnection;
  readonly shutdown: Shutdown;
  readonly log: Logger;
};

/** From the first request to the last answer. */
async function serve({ config, gate, backlog, metrics, connection, shutdown, log }: Parts): Promise<void> {
  const { maxInFlight, nats, graceMs } = config;
  await using publisher = new Publisher(connection, { maxInFlight, inboxPrefix: nats.inboxPrefix });
  const maxPayloadBytes = connection.info?.max_payload ?? config.maxBodyBytes;
  const parts = { config, gate, backlog, clock: systemClock, publisher, maxPayloadBytes };
  gate.isConnected = true;
  void followConnection(connection, gate);
  const server = await serveIntake(
    config,
    (request) => takeIn(request, parts),
    (answered) => metrics.answered(answered),
    log,
  );
  log.info({ port: server.port, routes: Object.fromEntries(config.routes) }, 'jobs are taken in');
  await aborted(shutdown.requested);
  log.info({ inFlight: gate.inFlight }, 'stopping');
  if (await within(graceMs, server.drain(), shutdown.forced)) return;
  log.warn({ inFlight: gate.inFlight }, 'cutting off requests that outlast the grace');
  server.close();
}

async function followConnection(connection: NatsConnection, gate: Gate): Promise<void> {
  for await (const { type } of connection.status()) {
    if (type === 'disconnect') gate.isConnected = false;
    if (type === 'reconnect') gate.isConnected = true;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve());
  });
}
