import type { Clock } from '#common/clock.ts';
import { describeError } from '#common/errors.ts';
import type { Logger } from '#common/log.ts';
import type { Condition } from '#crds/worker-pool-status.ts';
import type { PassReport } from '../../report/passReport.ts';
import type { Api } from './api.ts';
import { path } from './api.ts';
import type { PoolResource } from './resources.ts';

export type PoolEvent = {
  readonly type: 'Normal' | 'Warning';
  /** One stable word. */
  readonly reason: string;
  readonly action: string;
  readonly note: string;
};

const maxNoteLength = 1_024;
/** The same reason of one pool is told again after this time at the earliest. */
const quietMs = 60_000;
const mostUnderWay = 100;

/** Conditions whose turn is worth an event, and the status that is bad news. */
const told: Readonly<Record<string, 'True' | 'False'>> = {
  Ready: 'False',
  AckPendingLimited: 'True',
  AckPendingManaged: 'False',
  ReplicasFailing: 'True',
  Unschedulable: 'True',
};

/** What a pass has to tell: what was written, what could not be, and conditions that have turned. */
export function eventsOf(report: PassReport, before: readonly Condition[]): PoolEvent[] {
  const { decision, outcome, conditions } = report;
  const events: PoolEvent[] = [];
  if (outcome?.kind === 'scaled') {
    const note = `${decision.from ?? '?'} → ${decision.to ?? '?'} replicas: ${decision.message}`;
    events.push({ type: 'Normal', reason: decision.reason, action: 'Scale', note });
  } else if (outcome !== null) {
    events.push({ type: 'Warning', reason: 'ScaleFailed', action: 'Scale', note: outcome.message });
  }
  for (const { type, status, reason, message } of conditions) {
    const badNews = told[type];
    const last = before.find((condition) => condition.type === type);
    if (badNews === undefined || last?.status === status) continue;
    if (status === badNews) events.push({ type: 'Warning', reason, action: 'Observe', note: message });
    else if (last?.status === badNews) {
      events.push({
        type: 'Normal',
        reason: `${type === 'Ready' ? '' : 'No'}${type}`,
        action: 'Observe',
        note: message,
      });
    }
  }
  return events;
}

/** Publishes events and never waits for them: an event that is lost costs nothing but a line of history. */
export class EventRecorder {
  readonly #api: Api;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #instance: string;
  readonly #toldMs = new Map<string, number>();
  #underWay = 0;

  /** @param instance name of this process. */
  constructor(api: Api, instance: string, clock: Clock, log: Logger) {
    this.#api = api;
    this.#instance = instance;
    this.#clock = clock;
    this.#log = log;
  }

  record(pool: PoolResource, { type, reason, action, note }: PoolEvent): void {
    const key = `${pool.uid} ${reason}`;
    const nowMs = this.#clock.monotonicMs();
    // The oldest come first.
    for (const [old, atMs] of this.#toldMs) {
      if (nowMs - atMs <= quietMs) break;
      this.#toldMs.delete(old);
    }
    if (this.#toldMs.has(key) || this.#underWay >= mostUnderWay) return;
    this.#toldMs.set(key, nowMs);
    this.#underWay += 1;
    const body = {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { generateName: `${pool.name.slice(0, 200)}-`, namespace: pool.namespace },
      eventTime: new Date(this.#clock.wallMs()).toISOString().replace('Z', '000Z'),
      reportingController: 'penstock.dev/operator',
      reportingInstance: this.#instance.slice(0, 128),
      action,
      reason,
      note: note.slice(0, maxNoteLength),
      type,
      regarding: {
        apiVersion: 'penstock.dev/v1alpha1',
        kind: 'WorkerPool',
        namespace: pool.namespace,
        name: pool.name,
        uid: pool.uid,
      },
    };
    this.#api
      .call('POST', path('apis', 'events.k8s.io', 'v1', 'namespaces', pool.namespace, 'events'), { body })
      .catch((error: unknown) =>
        this.#log.debug({ error: describeError(error), reason }, 'event not recorded'),
      )
      .finally(() => (this.#underWay -= 1));
  }
}
