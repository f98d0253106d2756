import type { BreakerState } from '#common/heartbeat.ts';
import type { Counters } from '../report/counters.ts';
import { Growth } from './growth.ts';

export type BreakerPolicy = {
  /** Opens when at least this share of the results are failures. */
  readonly failureRatio: number;
  /** A success that took longer is slow; infinite: none is. */
  readonly slowMs: number;
  /** Opens when at least this share of the results are slow successes. */
  readonly slowRatio: number;
  /** Fewer results prove nothing. */
  readonly minJobs: number;
  /** How long results count. */
  readonly windowMs: number;
  /** How long it stays open. */
  readonly openMs: number;
  /** Successes that close it again; no more jobs than that run at once until then. */
  readonly probes: number;
};

type Results = Pick<Counters, 'succeeded' | 'failed' | 'slow'>;

/**
 * The circuit breaker (M. Nygard, Release It!, Pragmatic Bookshelf 2007), around the intake of a worker and not around
 * a call: when what the jobs depend on does not work, no job is taken.
 *
 *   closed ──too many failures, or slow jobs, in the window──→ open
 *   open ──openMs later──→ half-open
 *   half-open ──a failure──→ open          half-open ──as many successes as probes──→ closed
 *
 * In half-open, slow successes are judged by the slow ratio once all probes are back. Jobs that started earlier and end
 * now count like probes: they say the same about the dependency.
 */
export class Breaker {
  readonly policy: BreakerPolicy;
  readonly #counters: Counters;
  readonly #onChange: (state: BreakerState) => void;
  readonly #succeeded: Growth;
  readonly #failed: Growth;
  readonly #slow: Growth;
  #state: BreakerState = 'closed';
  #openUntilMs = 0;
  #probedSince: Results = { succeeded: 0, failed: 0, slow: 0 };

  constructor(policy: BreakerPolicy, counters: Counters, onChange: (state: BreakerState) => void) {
    this.policy = policy;
    this.#counters = counters;
    this.#onChange = onChange;
    this.#succeeded = new Growth(policy.windowMs);
    this.#failed = new Growth(policy.windowMs);
    this.#slow = new Growth(policy.windowMs);
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Call it regularly, and after each failure. */
  look(nowMs: number): void {
    switch (this.#state) {
      case 'closed': {
        const recent = this.#recent(nowMs);
        if (recent.succeeded + recent.failed >= this.policy.minJobs && this.#isBad(recent)) this.#open(nowMs);
        return;
      }
      case 'open':
        if (nowMs < this.#openUntilMs) return;
        this.#probedSince = totals(this.#counters);
        this.#enter('half-open');
        return;
      case 'half-open': {
        const { succeeded, failed, slow } = this.#counters;
        const since = this.#probedSince;
        const probed = {
          succeeded: succeeded - since.succeeded,
          failed: failed - since.failed,
          slow: slow - since.slow,
        };
        if (probed.failed > 0) this.#open(nowMs);
        else if (probed.succeeded < this.policy.probes) return;
        else if (this.#isBad(probed)) this.#open(nowMs);
        else this.#close(nowMs);
      }
    }
  }

  #recent(nowMs: number): Results {
    const { succeeded, failed, slow } = this.#counters;
    return {
      succeeded: this.#succeeded.by(nowMs, succeeded),
      failed: this.#failed.by(nowMs, failed),
      slow: this.#slow.by(nowMs, slow),
    };
  }

  #isBad({ succeeded, failed, slow }: Results): boolean {
    const { failureRatio, slowRatio, slowMs } = this.policy;
    const results = succeeded + failed;
    return failed >= failureRatio * results || (slowMs < Infinity && slow >= slowRatio * results);
  }

  #open(nowMs: number): void {
    this.#openUntilMs = nowMs + this.policy.openMs;
    this.#counters.breakerOpenings += 1;
    this.#enter('open');
  }

  #close(nowMs: number): void {
    for (const growth of [this.#succeeded, this.#failed, this.#slow]) growth.restart();
    this.#recent(nowMs);
    this.#enter('closed');
  }

  #enter(state: BreakerState): void {
    this.#state = state;
    this.#onChange(state);
  }
}

function totals({ succeeded, failed, slow }: Counters): Results {
  return { succeeded, failed, slow };
}
