import type { z } from 'zod';
import { PenstockError } from './errors.ts';

/**
 * Parses environment variables, an empty value counting as not set.
 *
 * @throws PenstockError `InvalidConfiguration`, naming every variable that does not fit, its value and what would.
 */
export function parseEnvironment<T extends z.ZodObject>(
  schema: T,
  environment: Readonly<Record<string, string | undefined>>,
): z.output<T> {
  const given = Object.fromEntries(
    Object.keys(schema.shape)
      .map((name) => [name, environment[name]] as const)
      .filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map((issue) => {
    const name = String(issue.path[0] ?? '(environment)');
    const value = environment[name];
    const secret = /PASSWORD|TOKEN/.test(name);
    return `${name}${value === undefined ? '' : `=${secret ? '***' : value}`}: ${issue.message}`;
  });
  throw new PenstockError('InvalidConfiguration', `invalid settings\n  ${lines.join('\n  ')}`);
}
