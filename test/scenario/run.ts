import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import { decide } from '../../operator/decide/decide.ts';
import type { Decision } from '../../operator/decide/decision.ts';
import { initialMemory, recordScale } from '../../operator/decide/memory.ts';
import { emptyHistory, measure } from '../../operator/measure/measure.ts';
import type { Observation } from '../../operator/observe/observation.ts';
import { consumer, seen } from '../builders/observation.ts';
import { QueueModel } from './queueModel.ts';
import type { ModelOptions } from './queueModel.ts';

export type Story = {
  readonly spec: WorkerPoolSpec;
  readonly model: ModelOptions;
  readonly seconds: number;
  /** Jobs that arrive within the given second; they are spread evenly at random. */
  readonly arrivals: (second: number) => number;
  /** Replicas at the start. */
  readonly replicas?: number;
  /** What goes wrong with seeing: changes the observation of a pass. */
  readonly disturb?: (observation: Observation, second: number) => Observation;
  /** The operator forgets everything before the pass of this second. */
  readonly restartAt?: number;
};

export type Told = {
  readonly model: QueueModel;
  readonly decisions: readonly Decision[];
  /** Replicas asked for after each pass. */
  readonly replicas: readonly number[];
  /** Unresolved messages at each pass. */
  readonly backlog: readonly number[];
  readonly waitP95Seconds: number;
  /** Replica time, starting included, per busy time. */
  readonly cost: number;
  readonly scaleActions: number;
  /** Times the direction of scaling changed. */
  readonly reversals: number;
};

/** Runs a story by passes of one second through the same measure and decide that the operator runs. */
export function tell(story: Story): Told {
  const { spec, disturb } = story;
  const model = new QueueModel(story.model);
  if (story.replicas !== undefined) model.scale(story.replicas);
  let history = emptyHistory;
  let memory = initialMemory(0);
  let desired = story.replicas ?? 0;
  const told = { decisions: [] as Decision[], replicas: [] as number[], backlog: [] as number[] };
  for (let second = 0; second < story.seconds; second += 1) {
    const count = story.arrivals(second);
    const times = Array.from({ length: count }, () => second * 1_000 + 1_000 * story.model.random.uniform());
    model.advance(
      (second + 1) * 1_000,
      times.toSorted((a, b) => a - b),
    );
    const atMs = model.nowMs;
    if (second === story.restartAt) [history, memory] = [emptyHistory, initialMemory(atMs)];
    const facts = observe(model);
    const measured = measure(history, disturb?.(facts, second) ?? facts, spec);
    history = measured.history;
    const decided = decide({ spec, signals: measured.signals, memory, nowMs: atMs });
    memory = decided.memory;
    const { decision } = decided;
    if (decision.kind === 'scale') {
      model.scale(decision.to);
      memory = recordScale(memory, { from: decision.from, to: decision.to, atMs });
      desired = decision.to;
    }
    told.decisions.push(decision);
    told.replicas.push(desired);
    told.backlog.push(model.pending + model.running);
  }
  const changes = told.decisions.flatMap((d) => (d.kind === 'scale' ? [Math.sign(d.to - d.from)] : []));
  const waits = model.waitsMs.toSorted((a, b) => a - b);
  return {
    ...told,
    model,
    waitP95Seconds: (waits[Math.floor(0.95 * waits.length)] ?? 0) / 1_000,
    cost: (model.replicaMs * story.model.slots) / model.busyMs,
    scaleActions: changes.length,
    reversals: changes.filter((change, index) => index > 0 && change !== changes[index - 1]).length,
  };
}

function observe(model: QueueModel): Observation {
  const atMs = model.nowMs;
  const facts = consumer(atMs, {
    pending: model.pending,
    ackPending: model.running,
    deliveredConsumerSeq: model.delivered,
    deliveredStreamSeq: model.delivered,
    waiting: model.pending === 0 ? 1 : 0,
    stream: { lastSeq: model.arrived, messages: model.pending + model.running },
  });
  return {
    atMs,
    sources: [{ consumer: seen(atMs, facts), heartbeats: model.heartbeats() }],
    workload: seen(atMs, model.workload()),
  };
}
