import type { QueueModel } from './queueModel.ts';
import type { Random } from './random.ts';

/** Something that sets the number of replicas. */
export type Autoscaler = {
  readonly name: string;
  /** Looks at the model after each simulated second; undefined leaves the replicas alone. */
  readonly look: (model: QueueModel, second: number) => number | undefined;
};

/** The state after one simulated second. */
export type Row = {
  readonly arrivals: number;
  /** Unresolved messages. */
  readonly backlog: number;
  readonly desired: number;
  readonly ready: number;
  /** Jobs started so far: the waits of this second are those from the row before to here. */
  readonly started: number;
};

/** Runs a model under an autoscaler by steps of one second. Jobs arrive evenly at random within their second. */
export function replay(
  model: QueueModel,
  autoscaler: Autoscaler,
  options: {
    readonly random: Random;
    readonly seconds: number;
    readonly arrivals: (second: number) => number;
    readonly onSecond?: (second: number) => void;
  },
): readonly Row[] {
  const rows: Row[] = [];
  for (let second = 0; second < options.seconds; second += 1) {
    const count = options.arrivals(second);
    const timesMs = new Float64Array(count);
    for (let index = 0; index < count; index += 1) {
      timesMs[index] = 1_000 * (second + options.random.uniform());
    }
    model.advance((second + 1) * 1_000, [...timesMs.sort()]);
    const wanted = autoscaler.look(model, second);
    if (wanted !== undefined && wanted !== model.desired) model.scale(wanted);
    rows.push({
      arrivals: count,
      backlog: model.pending + model.ackPending,
      desired: model.desired,
      ready: model.ready,
      started: model.waitsMs.length,
    });
    options.onSecond?.(second);
  }
  return rows;
}
