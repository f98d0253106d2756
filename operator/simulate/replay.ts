import type { Arrivals } from './load.ts';
import type { QueueModel } from './queueModel.ts';

export type AutoscalerKind = 'policy' | 'peer' | 'oracle';

/** Something that sets the number of replicas. */
export type Autoscaler = {
  readonly name: string;
  readonly kind: AutoscalerKind;
  /** Looks at the model after each simulated second; undefined leaves the replicas alone. */
  readonly look: (model: QueueModel, second: number) => number | undefined;
};

/** The state after each simulated second. */
export type Timeline = {
  readonly seconds: number;
  /** Jobs arrived so far. */
  readonly arrived: Float64Array;
  /** Unresolved messages. */
  readonly backlog: Float64Array;
  readonly desired: Float64Array;
  readonly ready: Float64Array;
  /** Jobs started so far: the waits of a second are those from the one before to here. */
  readonly started: Float64Array;
};

/** Runs a model under an autoscaler by steps of one second. */
export function replay(
  model: QueueModel,
  autoscaler: Autoscaler,
  options: {
    readonly arrivals: Arrivals;
    readonly seconds: number;
    /** Whether to end before `seconds`, asked before each second. */
    readonly isOver?: (second: number) => boolean;
    readonly onSecond?: (second: number) => void;
  },
): Timeline {
  const timeline = emptyTimeline(options.seconds);
  let second = 0;
  for (; second < options.seconds && options.isOver?.(second) !== true; second += 1) {
    const endMs = (second + 1) * 1_000;
    model.advance(endMs, options.arrivals(endMs));
    const wanted = autoscaler.look(model, second);
    if (wanted !== undefined && wanted !== model.desired) model.scale(wanted);
    timeline.arrived[second] = model.arrived;
    timeline.backlog[second] = model.pending + model.ackPending;
    timeline.desired[second] = model.desired;
    timeline.ready[second] = model.ready;
    timeline.started[second] = model.started;
    options.onSecond?.(second);
  }
  return cut(timeline, second);
}

const emptyTimeline = (seconds: number): Timeline => ({
  seconds,
  arrived: new Float64Array(seconds),
  backlog: new Float64Array(seconds),
  desired: new Float64Array(seconds),
  ready: new Float64Array(seconds),
  started: new Float64Array(seconds),
});

const cut = (timeline: Timeline, seconds: number): Timeline => ({
  seconds,
  arrived: timeline.arrived.subarray(0, seconds),
  backlog: timeline.backlog.subarray(0, seconds),
  desired: timeline.desired.subarray(0, seconds),
  ready: timeline.ready.subarray(0, seconds),
  started: timeline.started.subarray(0, seconds),
});
