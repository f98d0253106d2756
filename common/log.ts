import { pino } from 'pino';
import type { Logger } from 'pino';

export type { Logger } from 'pino';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/**
 * JSON lines: constant message, everything variable as a field. Written synchronously, so that the last line
 * before the process ends is never lost.
 *
 * @param to 1 stdout, 2 stderr (for programs whose stdout is their output).
 */
export function createLogger(name: string, level: LogLevel, to: 1 | 2 = 1): Logger {
  return pino(
    { name, level, base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: to, sync: true }),
  );
}
