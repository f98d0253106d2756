import { PenstockError } from '#common/errors.ts';
import type { Random } from './random.ts';

/** How long jobs run. */
export type Service = {
  readonly meanMs: number;
  /** Run time of one job, milliseconds. */
  readonly draw: (random: Random) => number;
};

const longestMs = 86_400_000;
const pattern = /^(constant|exponential|lognormal):(\d+(?:\.\d+)?)(ms|s)(?::(\d+(?:\.\d+)?))?$/;

/**
 * Reads how long jobs run: `constant:2s`, `exponential:500ms`, or `lognormal:1s:2`, the last number being the
 * coefficient of variation (standard deviation over mean, 1 unless given).
 *
 * @throws PenstockError `InvalidService`
 */
export function parseService(text: string): Service {
  const [, kind, amount, unit, variation] = pattern.exec(text) ?? [];
  const meanMs = Number(amount) * (unit === 's' ? 1_000 : 1);
  if (
    kind === undefined ||
    !(meanMs > 0) ||
    meanMs > longestMs ||
    (variation !== undefined && kind !== 'lognormal')
  ) {
    throw new PenstockError(
      'InvalidService',
      `service "${text.slice(0, 60)}" is not understood; give constant:MEAN, exponential:MEAN or lognormal:MEAN:CV ` +
        'with a mean of up to a day like 500ms or 2s',
    );
  }
  if (kind === 'constant') return { meanMs, draw: () => meanMs };
  if (kind === 'exponential') return { meanMs, draw: (random) => random.exponential(meanMs) };
  const sigmaSquared = Math.log(1 + Number(variation ?? 1) ** 2);
  const [mu, sigma] = [Math.log(meanMs) - sigmaSquared / 2, Math.sqrt(sigmaSquared)];
  return { meanMs, draw: (random) => Math.exp(mu + sigma * random.normal()) };
}
