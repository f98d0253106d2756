import type { WorkerState } from '#common/heartbeat.ts';

/**
 * The life of a worker.
 *
 *   starting ──→ running ──→ draining ──→ stopped
 *       └───────────────────────────────────↑
 *
 * - starting: connecting to NATS, for as long as it takes, then looking for the consumer. Not ready; holds no message,
 *   so a stop leads straight to stopped.
 * - running: pulls and runs jobs. Losing the connection or the consumer does not change the state: the worker keeps
 *   what it runs, and goes on when they are back. It only reports itself as not ready meanwhile.
 * - draining: asks for nothing, gives back what has not started, and lets running jobs end within the grace time.
 * - stopped: holds nothing; the connection is closed.
 *
 * There is no way back: a worker that has stopped stays so.
 */
const next: Record<WorkerState, readonly WorkerState[]> = {
  starting: ['running', 'stopped'],
  running: ['draining', 'stopped'],
  draining: ['stopped'],
  stopped: [],
};

export class Lifecycle {
  #state: WorkerState = 'starting';
  readonly #onChange: (state: WorkerState) => void;

  constructor(onChange: (state: WorkerState) => void) {
    this.#onChange = onChange;
  }

  get state(): WorkerState {
    return this.#state;
  }

  /** @throws Error when no arrow leads there: a mistake in this program. */
  enter(state: WorkerState): void {
    if (!next[this.#state].includes(state)) throw new Error(`a ${this.#state} worker cannot become ${state}`);
    this.#state = state;
    this.#onChange(state);
  }
}
