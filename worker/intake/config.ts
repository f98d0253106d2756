import { z } from 'zod';
import { parseEnvironment } from '#common/environment.ts';
import { logLevels } from '#common/log.ts';
import type { LogLevel } from '#common/log.ts';
import { compileNatsSettings, natsEnvironmentSchema } from '#common/nats.ts';
import type { NatsSettings } from '#common/nats.ts';
import { secondsToMs } from '#common/units.ts';
import { jetStreamNamePattern } from '../optionChecks.ts';

const routePattern = /^(\/[^\s=,?#]*)=([^\s*>=,]{1,255})$/;

const routes = z.string().transform((given, context) => {
  const parsed = new Map<string, string>();
  for (const part of given.split(',').map((text) => text.trim())) {
    const [, path, subject] = routePattern.exec(part) ?? [];
    if (path === undefined || subject === undefined || parsed.has(path)) {
      const why = parsed.has(path ?? '') ? 'names a path twice' : 'does not look like /PATH=SUBJECT';
      context.addIssue({
        code: 'custom',
        message: `${JSON.stringify(part)} ${why}; e.g. /images=IMAGES.new,/mails=MAILS.new`,
      });
      return z.NEVER;
    }
    parsed.set(path, subject);
  }
  return parsed;
});
const name = z
  .string()
  .regex(jetStreamNamePattern, 'must be a name without blanks, dots, wildcards and slashes');
const count = (least: number, most: number): z.ZodCoercedNumber =>
  z.coerce.number().int().min(least).max(most);

/** Every setting of the intake; docs/intake.md shows them as a table. */
export const intakeEnvironmentSchema = z.object({
  ...natsEnvironmentSchema.shape,
  PENSTOCK_INTAKE_ROUTES: routes.describe(
    'What is taken in, and where it goes: /PATH=SUBJECT, separated by commas. Required.',
  ),
  PENSTOCK_INTAKE_HOST: z
    .string()
    .min(1)
    .default('0.0.0.0')
    .describe('Address for producers. Default 0.0.0.0.'),
  PENSTOCK_INTAKE_PORT: count(0, 65_535)
    .default(8_080)
    .describe('Their port; 0 takes a free one. Default 8080.'),
  PENSTOCK_INTAKE_JSON: z
    .enum(['true', 'false'], { error: 'must be true or false' })
    .default('false')
    .transform((given) => given === 'true')
    .describe('Refuse bodies that are not JSON. Default false.'),
  PENSTOCK_INTAKE_MAX_BODY_BYTES: count(1, 64 * 1_048_576)
    .default(1_000_000)
    .describe('Longest body. What the server takes bounds it too. Default 1000000.'),
  PENSTOCK_INTAKE_MAX_IN_FLIGHT: count(1, 100_000)
    .default(200)
    .describe('Requests at once; bounds the memory, at most one body each. Default 200.'),
  PENSTOCK_INTAKE_RATE_PER_SECOND: z.coerce
    .number()
    .min(0.001)
    .max(1_000_000)
    .optional()
    .describe('Requests a second of this replica; beyond it, 503. Default none.'),
  PENSTOCK_INTAKE_RATE_BURST: count(1, 1_000_000)
    .optional()
    .describe('Requests that may come at one moment after a pause. Default 1.'),
  PENSTOCK_INTAKE_STREAM: name.optional().describe('Stream of the consumer whose backlog is watched.'),
  PENSTOCK_INTAKE_CONSUMER: name.optional().describe('Consumer whose backlog is watched. Default none.'),
  PENSTOCK_INTAKE_MAX_BACKLOG: count(1, 1_000_000_000_000)
    .optional()
    .describe('Jobs that may wait for it or be held by workers; beyond it, 503. Needs both names.'),
  PENSTOCK_INTAKE_RETRY_AFTER_SECONDS: count(1, 3_600)
    .default(2)
    .describe('What Retry-After says when nothing better is known. Default 2.'),
  PENSTOCK_GRACE_SECONDS: z.coerce
    .number()
    .gt(0)
    .max(3_600)
    .default(25)
    .describe('Time that requests under way have to end at a stop. Default 25.'),
  PENSTOCK_HTTP_HOST: z
    .string()
    .min(1)
    .default('0.0.0.0')
    .describe('Address of /metrics, /healthz and /readyz. Default 0.0.0.0.'),
  PENSTOCK_HTTP_PORT: count(0, 65_535)
    .default(9_464)
    .describe('Their port; 0 takes a free one. Default 9464.'),
  PENSTOCK_LOG_LEVEL: z
    .enum(logLevels)
    .default('info')
    .describe(`One of ${logLevels.join(', ')}. Default info.`),
});

export type IntakeConfig = {
  readonly nats: NatsSettings;
  /** Subjects by exact path. */
  readonly routes: ReadonlyMap<string, string>;
  readonly host: string;
  readonly port: number;
  readonly mustBeJson: boolean;
  readonly maxBodyBytes: number;
  readonly maxInFlight: number;
  readonly rate: { readonly perSecond: number; readonly burst: number } | undefined;
  readonly backlog: { readonly stream: string; readonly consumer: string; readonly max: number } | undefined;
  readonly retryAfterSeconds: number;
  readonly graceMs: number;
  readonly http: { readonly host: string; readonly port: number };
  readonly logLevel: LogLevel;
};

/** @throws PenstockError `InvalidConfiguration`, naming every variable that does not fit, its value and what would. */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): IntakeConfig {
  const schema = intakeEnvironmentSchema.superRefine((given, context) => {
    if (
      given.PENSTOCK_INTAKE_RATE_BURST !== undefined &&
      given.PENSTOCK_INTAKE_RATE_PER_SECOND === undefined
    ) {
      context.addIssue({
        code: 'custom',
        path: ['PENSTOCK_INTAKE_RATE_BURST'],
        message: 'has no effect without PENSTOCK_INTAKE_RATE_PER_SECOND',
      });
    }
    const names = [
      'PENSTOCK_INTAKE_STREAM',
      'PENSTOCK_INTAKE_CONSUMER',
      'PENSTOCK_INTAKE_MAX_BACKLOG',
    ] as const;
    const missing = names.filter((variable) => given[variable] === undefined);
    if (missing.length === 0 || missing.length === names.length) return;
    for (const variable of missing) {
      context.addIssue({
        code: 'custom',
        path: [variable],
        message: `is required beside the other two: ${names.join(', ')}`,
      });
    }
  });
  const env = parseEnvironment(schema, environment);
  const {
    PENSTOCK_INTAKE_STREAM: stream,
    PENSTOCK_INTAKE_CONSUMER: consumer,
    PENSTOCK_INTAKE_MAX_BACKLOG: max,
  } = env;
  const perSecond = env.PENSTOCK_INTAKE_RATE_PER_SECOND;
  return {
    nats: compileNatsSettings(env),
    routes: env.PENSTOCK_INTAKE_ROUTES,
    host: env.PENSTOCK_INTAKE_HOST,
    port: env.PENSTOCK_INTAKE_PORT,
    mustBeJson: env.PENSTOCK_INTAKE_JSON,
    maxBodyBytes: env.PENSTOCK_INTAKE_MAX_BODY_BYTES,
    maxInFlight: env.PENSTOCK_INTAKE_MAX_IN_FLIGHT,
    rate: perSecond === undefined ? undefined : { perSecond, burst: env.PENSTOCK_INTAKE_RATE_BURST ?? 1 },
    backlog:
      stream === undefined || consumer === undefined || max === undefined
        ? undefined
        : { stream, consumer, max },
    retryAfterSeconds: env.PENSTOCK_INTAKE_RETRY_AFTER_SECONDS,
    graceMs: secondsToMs(env.PENSTOCK_GRACE_SECONDS),
    http: { host: env.PENSTOCK_HTTP_HOST, port: env.PENSTOCK_HTTP_PORT },
    logLevel: env.PENSTOCK_LOG_LEVEL,
  };
}
