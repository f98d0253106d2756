/**
 * Slots that keep waits short: the smallest number c for which no more than a share of the jobs waits longer than t.
 *
 * With offered load a = λ/μ, all c slots are busy with probability C(c, a) (Erlang, 1917), and a job that has to wait
 * waits for an exponentially distributed time whose mean, for service and arrivals of any variability, is
 * (Ca² + Cs²)/2 / (c·μ − λ) (Allen and Cunneen; the same as in A. O. Allen, Probability, Statistics, and Queueing
 * Theory, 1990, chapter 5; exact for M/M/c, and in heavy traffic after W. Whitt, Approximations for the GI/G/m queue,
 * 1993):
 *
 *     P(W > t) ≈ C(c, a) · exp(−(c·μ − λ)·t · 2/(Ca² + Cs²))
 */
export type Staffing = {
  /** λ. */
  readonly arrivalsPerSecond: number;
  /** 1/μ: mean time that a job holds a slot. */
  readonly serviceSeconds: number;
  /** Cs²: squared coefficient of variation of that time; 1 for exponential, 0 for constant times. */
  readonly variability: number;
  /** t. */
  readonly waitSeconds: number;
  /** Share of the jobs that may wait longer, above 0 and below 1. */
  readonly lateShare: number;
};

/** Ca² of arrivals that do not know of each other; the planned rate has headroom for bursts. */
const arrivalVariability = 1;
/** Beyond so many busy slots, so many standard deviations more than the load leave one job in 600 waiting at all. */
const largeLoad = 10_000;
const largeDeviations = 3;

export function slotsForWait(staffing: Staffing): number {
  const { arrivalsPerSecond, serviceSeconds, variability, waitSeconds, lateShare } = staffing;
  const load = arrivalsPerSecond * serviceSeconds;
  if (load === 0) return 0;
  if (load > largeLoad) return load + largeDeviations * Math.sqrt(load);
  const scale = (arrivalVariability + variability) / 2;
  let blocking = 1;
  for (let slots = 1; ; slots += 1) {
    blocking = nextBlocking(blocking, slots, load);
    if (slots <= load) continue;
    const freePerSecond = (slots - load) / serviceSeconds;
    if (
      waitProbability(blocking, slots, load) * Math.exp((-freePerSecond * waitSeconds) / scale) <=
      lateShare
    ) {
      return slots;
    }
  }
}

/**
 * C(c, a): the probability that a job finds all slots busy.
 *
 * @param load a, below `slots`.
 */
export function erlangC(slots: number, load: number): number {
  let blocking = 1;
  for (let count = 1; count <= slots; count += 1) blocking = nextBlocking(blocking, count, load);
  return waitProbability(blocking, slots, load);
}

/** B(c, a) from B(c − 1, a): numerically stable, as no factorial appears. */
const nextBlocking = (blocking: number, slots: number, load: number): number =>
  (load * blocking) / (slots + load * blocking);

const waitProbability = (blocking: number, slots: number, load: number): number =>
  blocking / (1 - (load / slots) * (1 - blocking));
