import { cron } from '#crds/cron.ts';
import type { Schedule } from '#crds/worker-pool.ts';
import type { ScheduledFloor } from '../decide/situation.ts';

type Runs = { readonly lastMs: number; readonly nextMs: number };
type Reading = {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly active: Schedule | undefined;
};

/** Reading a calendar costs more than a whole decision, so that one reading holds until the next change. */
const readings = new WeakMap<readonly Schedule[], Reading>();

/**
 * The floor that schedules ask for at a time: of those whose start has come later than their end, the highest.
 *
 * @param wallMs milliseconds since 1970.
 * @param nowMs the same moment, monotonic.
 */
export function scheduledFloor(
  schedules: readonly Schedule[],
  wallMs: number,
  nowMs: number,
): ScheduledFloor | undefined {
  if (schedules.length === 0) return undefined;
  let reading = readings.get(schedules);
  if (reading === undefined || wallMs < reading.fromMs || wallMs >= reading.untilMs) {
    reading = read(schedules, wallMs);
    readings.set(schedules, reading);
  }
  const { active, untilMs } = reading;
  if (active === undefined) return undefined;
  return { name: active.name, replicas: active.minReplicas, untilMs: nowMs + untilMs - wallMs };
}

function read(schedules: readonly Schedule[], wallMs: number): Reading {
  let untilMs = Infinity;
  let active: Schedule | undefined;
  for (const schedule of schedules) {
    const start = runs(schedule.start, schedule.timeZone, wallMs);
    const end = runs(schedule.end, schedule.timeZone, wallMs);
    untilMs = Math.min(untilMs, start.nextMs, end.nextMs);
    const isActive = start.lastMs > end.lastMs;
    if (isActive && schedule.minReplicas > (active?.minReplicas ?? -1)) active = schedule;
  }
  return { fromMs: wallMs, untilMs, active };
}

function runs(expression: string, timeZone: string, wallMs: number): Runs {
  const calendar = cron(expression, timeZone);
  // A moment that is a run itself has come.
  const [last] = calendar.previousRuns(1, new Date(wallMs + 1));
  return {
    lastMs: last?.getTime() ?? -Infinity,
    nextMs: calendar.nextRun(new Date(wallMs))?.getTime() ?? Infinity,
  };
}
