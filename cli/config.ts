import { z } from 'zod';
import { parseEnvironment } from '#common/environment.ts';
import { logLevels } from '#common/log.ts';
import type { LogLevel } from '#common/log.ts';
import { compileNatsSettings, natsEnvironmentSchema } from '#common/nats.ts';
import type { NatsSettings } from '#common/nats.ts';

const schema = natsEnvironmentSchema.extend({
  PENSTOCK_LOG_LEVEL: z.enum(logLevels).default('warn').describe('Logs of the operator, on stderr.'),
});

export type CommandLineConfig = {
  readonly nats: NatsSettings;
  readonly logLevel: LogLevel;
  /** What child processes inherit. */
  readonly environment: Readonly<Record<string, string>>;
};

/** @throws PenstockError `InvalidConfiguration` */
export function readConfig(): CommandLineConfig {
  const parsed = parseEnvironment(schema, process.env);
  const environment = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return {
    nats: compileNatsSettings(parsed),
    logLevel: parsed.PENSTOCK_LOG_LEVEL,
    environment: Object.fromEntries(environment),
  };
}
