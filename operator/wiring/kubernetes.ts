import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import type { Clock } from '#common/clock.ts';
import { PenstockError } from '#common/errors.ts';
import { serveHttp, text } from '#common/http.ts';
import type { Logger } from '#common/log.ts';
import type { NatsSettings } from '#common/nats.ts';
import type { OperatorConfig } from '../config.ts';
import { Connections } from '../observe/connections.ts';
import { Api } from '../platform/kubernetes/api.ts';
import { collector, createCollections } from '../platform/kubernetes/collections.ts';
import type { Collections, WatchState } from '../platform/kubernetes/collections.ts';
import { Elector } from '../platform/kubernetes/elector.ts';
import { EventRecorder, eventsOf } from '../platform/kubernetes/events.ts';
import { KubernetesPlatform } from '../platform/kubernetes/kubernetes.ts';
import { statusOf, statusOfRefusal } from '../platform/kubernetes/status.ts';
import { StatusWriter } from '../platform/kubernetes/statusWriter.ts';
import { TargetWatches } from '../platform/kubernetes/targetWatches.ts';
import { Transport } from '../platform/kubernetes/transport.ts';
import { Controller } from '../reconcile/controller.ts';
import { LastPasses } from '../report/lastPasses.ts';
import { OperatorMetrics } from '../report/metrics.ts';
import type { WatchFigure } from '../report/metrics.ts';
import type { PassReport } from '../report/passReport.ts';
import { poolRoutes } from '../report/poolRoutes.ts';
import { Recorder } from '../report/recorder.ts';

/** Watches that have been silent for so long are broken: the server ends each of them within 90 s. */
const watchDeadMs = 300_000;
/** A system that takes longer, or never answers, keeps nobody waiting. */
const connectMs = 1_000;
const shutdownRenewMs = 20_000;

/**
 * The operator on Kubernetes: runs until the signal, or until it has lost its lease.
 *
 * 1. watch pools, connections, pods and other autoscalers, leading or not;
 * 2. wait for the lease, and until each of the first lists has come or been refused;
 * 3. look at each pool once a period, write replicas, statuses and events;
 * 4. at the end let the passes finish, then release the lease.
 *
 * @throws PenstockError `LeaseLost`, `PortInUse`, `InvalidConfiguration`.
 */
export async function runKubernetesOperator(
  config: OperatorConfig,
  kubeConfig: KubeConfig,
  stop: AbortSignal,
  { clock, log, random }: { clock: Clock; log: Logger; random: () => number },
): Promise<void> {
  await using transport = new Transport(kubeConfig);
  // Renewals of the lease must not wait behind anything.
  await using leaseTransport = new Transport(kubeConfig);
  await using connections = new Connections(clock, log);
  const metrics = new OperatorMetrics(() => watchStates(collections));
  const onRequest = (verb: string): void => metrics.apiRequest(verb);
  const api = new Api(transport, onRequest);
  const elector = new Elector(
    new Api(leaseTransport, onRequest),
    { ...config.lease, identity: `${config.instance}_${randomUUID()}` },
    { clock, log, random },
  );
  const watching = new AbortController();
  const collect = collector(api, config.namespaces, { clock, log, random });
  const collections = createCollections(collect);
  const platform = new KubernetesPlatform({
    api,
    collections,
    watches: new TargetWatches(collect, watching.signal),
    clock,
    allowedHosts: config.natsHosts,
    mayWrite: () => elector.isLeading(),
  });
  const passes = new LastPasses();
  await using recorder =
    config.record === undefined
      ? undefined
      : await Recorder.open({ ...config.record, onLines: (o, n) => metrics.recorded(o, n) }, clock, log);
  const statuses = new StatusWriter(api, clock, log);
  const events = new EventRecorder(api, config.instance, clock, log);
  const controller = new Controller(
    { platform, connections, clock, mayAct: true },
    {
      periodMs: config.periodMs,
      // A record that is replayed must hold every pass.
      mayRest: recorder === undefined,
      onReport: (report, times, details) => {
        metrics.observe(report, times);
        recorder?.record(report.time, details);
        passes.keep({ time: report.time, ...details });
        publish(report);
      },
      onStill: (times) => metrics.still(times),
      onPassError: (pool) => metrics.passFailed(pool),
    },
    log,
  );
  function publish(report: PassReport): void {
    const pool = collections.pools.get(report.pool);
    if (pool === undefined || !elector.isLeading()) return;
    const before = statuses.conditions(pool);
    for (const event of eventsOf(report, before)) events.record(pool, event);
    statuses.offer(pool, statusOf(report, pool, before));
  }
  function publishRefusals(): void {
    const time = new Date(clock.wallMs()).toISOString();
    for (const refusal of platform.refusals()) {
      statuses.offer(refusal.pool, statusOfRefusal(refusal, statuses.conditions(refusal.pool), time));
    }
  }

  await using _http = await serveHttp(config.http.host, config.http.port, {
    '/metrics': () => metrics.reply(),
    ...poolRoutes(passes, () => elector.isLeading()),
    '/healthz': () => health(collections),
    '/readyz': () => readiness(collections),
  });

  const watches = Promise.all(
    Object.values(collections).map((collection) => collection.run(watching.signal)),
  );
  try {
    if (!(await elector.acquire(stop))) return;
    const renewing = new AbortController();
    const renewals = elector.keep(renewing.signal);
    try {
      await untilEither(Promise.all(Object.values(collections).map((c) => c.tried())), stop, elector.lost);
      await untilEither(connectAll(platform, connections), stop, elector.lost);
      const timer = setInterval(() => {
        controller.sync();
        publishRefusals();
        const existing = [...collections.pools.values()].map(({ namespace, name }) => `${namespace}/${name}`);
        statuses.keepOnly(new Set(existing));
        // Of a pool that is refused, what was measured before is not known any more.
        const workedOn = new Set(platform.pools().map(({ key }) => key));
        metrics.keepOnly(workedOn);
        passes.keepOnly(workedOn);
        connections
          .closeUnused()
          .catch((error: unknown) => log.error({ err: error }, 'closing connections failed'));
      }, config.periodMs);
      await untilEither(new Promise(() => undefined), stop, elector.lost);
      clearInterval(timer);
      await untilEither(controller.stop(), AbortSignal.timeout(shutdownRenewMs), elector.lost);
    } finally {
      renewing.abort();
      await renewals;
    }
    if (elector.lost.aborted) {
      throw new PenstockError(
        'LeaseLost',
        'the lease could not be renewed; ending, so that a fresh start can lead',
        {
          retryable: true,
        },
      );
    }
    await elector.release();
  } finally {
    watching.abort();
    await watches;
  }
}

/** So that the first look at a pool does not find, and tell, that its NATS system is only just being connected to. */
async function connectAll(platform: KubernetesPlatform, connections: Connections): Promise<void> {
  const settings = (): Set<NatsSettings | Error> =>
    new Set(
      platform
        .pools()
        .flatMap((pool) => pool.spec.sources.map((source) => platform.connection(pool, source))),
    );
  // Secrets are asked for at the first look, too.
  settings();
  await sleep(connectMs / 4);
  await connections.settled([...settings()], connectMs);
}

function* watchStates(collections: Collections): Generator<WatchFigure & WatchState> {
  for (const [resource, collection] of Object.entries(collections)) {
    for (const state of collection.states()) yield { resource, ...state };
  }
}

/** Ready as soon as the pools of some namespace can be worked on; what holds the others back is told all the same. */
function readiness(collections: Collections): ReturnType<typeof text> {
  const states = [...watchStates(collections)];
  const held = new Set(
    states.filter(({ problem }) => problem !== undefined).map(({ namespace }) => namespace),
  );
  const problems = states.flatMap(({ namespace, problem }) =>
    problem === undefined ? [] : `${namespace === '' ? '' : `${namespace}: `}${problem.message}`,
  );
  const isReady = states.some(({ namespace }) => !held.has(namespace));
  return isReady
    ? text(200, ['ok', ...problems, ''].join('\n'))
    : text(503, ['waiting for the first lists', ...problems, ''].join('\n'));
}

function health(collections: Collections): ReturnType<typeof text> {
  const oldestMs = Math.max(...[...watchStates(collections)].map(({ ageMs }) => ageMs ?? 0));
  if (oldestMs < watchDeadMs) return text(200, 'ok\n');
  return text(500, `a watch has been silent for ${Math.round(oldestMs / 1_000)} s\n`);
}

/** Resolves with the promise, or as soon as one of the signals is aborted. */
async function untilEither(promise: Promise<unknown>, ...signals: readonly AbortSignal[]): Promise<void> {
  const any = AbortSignal.any([...signals]);
  if (any.aborted) return;
  const aborted = Promise.withResolvers<undefined>();
  const onAbort = (): void => aborted.resolve(undefined);
  any.addEventListener('abort', onAbort);
  try {
    await Promise.race([promise, aborted.promise]);
  } finally {
    any.removeEventListener('abort', onAbort);
  }
}
