import { Cron } from 'croner';

/**
 * Reads a cron expression of five fields in a time zone.
 *
 * @throws when either makes no sense. Nothing runs by it: it is only asked for times.
 */
export const cron = (expression: string, timeZone: string): Cron =>
  new Cron(expression, { timezone: timeZone, mode: '5-part', paused: true });

/** What is wrong with an expression or its time zone; undefined when nothing is. */
export function cronProblem(expression: string, timeZone: string): string | undefined {
  if (!isTimeZone(timeZone)) return `"${timeZone}" is no time zone, such as Europe/Berlin or UTC`;
  try {
    return cron(expression, timeZone).nextRun() === null ? `"${expression}" never comes` : undefined;
  } catch (error) {
    return `"${expression}" is no cron expression: ${error instanceof Error ? error.message : 'not understood'}`;
  }
}

function isTimeZone(name: string): boolean {
  try {
    return Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
