import { systemClock } from '#common/clock.ts';
import { serveHttp, text } from '#common/http.ts';
import { createLogger } from '#common/log.ts';
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
  const state = { isOpen: false, connection: undefined as NatsConnection | undefined };
  const backlog = new Backlog();
  const gate = new Gate(config, backlog);
  const metrics = new IntakeMetrics(() => ({ inFlight: gate.inFlight, backlog: backlog.jobs }));
  await using probes = await serveHttp(config.http.host, config.http.port, {
    '/metrics': () => metrics.render(),
    '/healthz': () => text(200, 'ok\n'),
    '/readyz': () => (state.isOpen ? text(200, 'ok\n') : text(503, 'not connected to NATS, or stopping\n')),
  });
  log.info({ port: probes.port }, 'metrics and probes are served');
  const connection = await connectPatiently(
    config.nats,
    'penstock-intake',
    Math.random,
    shutdown.requested,
    log,
  );
  if (connection === undefined) return;
  try {
    void followConnection(connection, (isOpen) => (state.isOpen = isOpen && !shutdown.requested.aborted));
    if (config.backlog !== undefined) void backlog.watch(connection, config.backlog, shutdown.requested, log);
    await using publisher = new Publisher(connection, {
      maxInFlight: config.maxInFlight,
      inboxPrefix: config.nats.inboxPrefix,
    });
    const maxPayloadBytes = connection.info?.max_payload ?? config.maxBodyBytes;
    const parts = { config, gate, backlog, clock: systemClock, publisher, maxPayloadBytes };
    const server = await serveIntake(
      config,
      (request) => takeIn(request, parts),
      (answered) => metrics.answered(answered),
      log,
    );
    state.isOpen = true;
    log.info({ port: server.port, routes: Object.fromEntries(config.routes) }, 'jobs are taken in');
    await aborted(shutdown.requested);
    state.isOpen = false;
    log.info({ inFlight: gate.inFlight }, 'stopping');
    if (!(await within(config.graceMs, server.drain(), shutdown.forced))) {
      log.warn({ inFlight: gate.inFlight }, 'cutting off requests that outlast the grace');
      server.close();
    }
  } finally {
    await within(config.graceMs, connection.drain(), shutdown.forced);
    await connection.close();
  }
  log.info('stopped');
}

async function followConnection(
  connection: NatsConnection,
  onChange: (isOpen: boolean) => void,
): Promise<void> {
  for await (const { type } of connection.status()) {
    if (type === 'disconnect') onChange(false);
    if (type === 'reconnect') onChange(true);
  }
}

function aborted(signal: Shutdown['requested']): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve());
  });
}
