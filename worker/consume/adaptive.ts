export type AdaptivePolicy = {
  /** Slots that there are at least, and to begin with. */
  readonly floor: number;
  readonly ceiling: number;
};

/** Totals that only grow, and the time of the reading. */
export type Reading = {
  /** Monotonic milliseconds. */
  readonly nowMs: number;
  readonly jobs: number;
  /** Run time of those jobs, milliseconds. */
  readonly serviceMs: number;
  readonly timedOut: number;
  /** Time that slots ran a job, milliseconds × slots, those that still run included. */
  readonly busyMs: number;
};

/** A mean over fewer jobs says little; over a shorter time, it is that of jobs which began under another limit. */
const leastJobs = 20;
const leastMs = 500;
const leastServiceTimes = 2;
/** Run times may be longer than the unloaded one by this factor before the limit shrinks. */
const tolerance = 1.3;
/** No step takes away more. */
const smallestGradient = 0.5;
/** Below this share of its slots in use, a worker learns nothing about more of them. */
const busyShare = 0.7;
/** The unloaded run time is measured anew, at half of the limit, after so many loaded windows. */
const windowsPerProbe = 25;
const probeShare = 0.5;
/** Weight of a faster window in the unloaded run time. */
const fasterWeight = 0.3;
const timedOutShare = 0.7;

type Phase = 'steady' | 'probe settles' | 'probe measures' | 'recovers';

/**
 * The number of slots as a gradient limit on measured latency, in the manner of TCP Vegas (L. Brakmo, L. Peterson, TCP
 * Vegas: End to End Congestion Avoidance, IEEE JSAC 13(8), 1995) as taken up for concurrency by Netflix's
 * concurrency-limits (2018) and Envoy's adaptive concurrency filter:
 *
 *   gradient = tolerance × unloaded run time / run time now, from 0.5 to 1
 *   limit    ← gradient × limit + √limit
 *
 * As long as jobs run as fast as alone, the limit grows by the root of itself; once they queue somewhere beyond the
 * worker, it stays where the two terms balance. The unloaded run time is what was measured at the floor; since it may
 * have changed for reasons of its own, it is measured anew from time to time at half of the limit, where a queue that
 * the worker itself causes is gone or shorter.
 */
export class AdaptiveLimit {
  readonly #policy: AdaptivePolicy;
  #limit: number;
  #unloadedMs: number | undefined;
  #phase: Phase = 'steady';
  #beforeProbe = 0;
  #loadedWindows = 0;
  #start: Reading | undefined;

  constructor(policy: AdaptivePolicy) {
    this.#policy = policy;
    this.#limit = policy.floor;
  }

  /** Whole slots, from floor to ceiling. */
  get slots(): number {
    return Math.round(this.#limit);
  }

  /** Call it regularly: a window of measuring ends by itself when it says enough. */
  look(reading: Reading): void {
    const start = (this.#start ??= reading);
    const jobs = reading.jobs - start.jobs;
    const elapsedMs = reading.nowMs - start.nowMs;
    const timedOut = reading.timedOut - start.timedOut;
    if (jobs < leastJobs && timedOut === 0) return;
    const meanMs = jobs === 0 ? Infinity : (reading.serviceMs - start.serviceMs) / jobs;
    if (elapsedMs < leastMs || (timedOut === 0 && elapsedMs < leastServiceTimes * meanMs)) return;
    this.#start = reading;
    const busy = (reading.busyMs - start.busyMs) / (elapsedMs * this.slots);
    if (timedOut > 0) this.#moveTo(this.#limit * timedOutShare);
    else this.#judge(meanMs, busy >= busyShare);
  }

  #judge(meanMs: number, isLoaded: boolean): void {
    switch (this.#phase) {
      case 'probe settles':
        this.#phase = 'probe measures';
        return;
      case 'probe measures':
        this.#unloadedMs = meanMs;
        this.#moveTo(this.#beforeProbe);
        this.#phase = 'recovers';
        return;
      case 'recovers':
        this.#phase = 'steady';
        return;
      case 'steady':
        this.#learn(meanMs);
        if (isLoaded) this.#step(meanMs);
    }
  }

  #learn(meanMs: number): void {
    this.#unloadedMs ??= meanMs;
    if (meanMs < this.#unloadedMs) this.#unloadedMs += fasterWeight * (meanMs - this.#unloadedMs);
  }

  #step(meanMs: number): void {
    this.#loadedWindows += 1;
    if (this.#loadedWindows >= windowsPerProbe && this.#limit > this.#policy.floor) {
      this.#loadedWindows = 0;
      this.#beforeProbe = this.#limit;
      this.#moveTo(this.#limit * probeShare);
      this.#phase = 'probe settles';
      return;
    }
    const unloadedMs = this.#unloadedMs ?? meanMs;
    // Jobs of no measurable length queue nowhere.
    const ratio = meanMs > 0 ? (tolerance * unloadedMs) / meanMs : 1;
    const gradient = Math.min(1, Math.max(smallestGradient, ratio));
    this.#moveTo(gradient * this.#limit + Math.sqrt(this.#limit));
  }

  #moveTo(limit: number): void {
    this.#limit = Math.min(this.#policy.ceiling, Math.max(this.#policy.floor, limit));
  }
}
