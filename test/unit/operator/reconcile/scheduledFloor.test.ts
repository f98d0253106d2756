import { describe, expect, it } from 'vitest';
import { scheduledFloor } from '../../../../operator/reconcile/scheduledFloor.ts';
import { spec } from '../../../builders/spec.ts';

const office = {
  name: 'office',
  timeZone: 'Europe/Berlin',
  start: '0 8 * * 1-5',
  end: '0 18 * * *',
  minReplicas: 2,
};
const sale = { ...office, name: 'sale', start: '0 12 * * 5', end: '0 14 * * 5', minReplicas: 9 };
const night = { ...office, name: 'night', start: '30 2 * * *', end: '30 3 * * *' };
const hours = (iso: string, from: string): number => (Date.parse(iso) - Date.parse(from)) / 3_600_000;

describe('a scheduled floor', () => {
  it.each<{
    at: string;
    title: string;
    schedules: readonly (typeof office)[];
    name?: string;
    until?: string;
  }>([
    { title: 'a winter morning before it begins', at: '2026-01-05T06:59:59Z', schedules: [office] },
    {
      title: 'the moment it begins, in winter',
      at: '2026-01-05T07:00:00Z',
      schedules: [office],
      name: 'office',
      until: '2026-01-05T17:00:00Z',
    },
    {
      title: 'the same hour of the day in summer',
      at: '2026-07-06T06:00:00Z',
      schedules: [office],
      name: 'office',
      until: '2026-07-06T16:00:00Z',
    },
    { title: 'the moment it ends', at: '2026-01-05T17:00:00Z', schedules: [office] },
    { title: 'a weekend, on which it only ends', at: '2026-01-10T12:00:00Z', schedules: [office] },
    {
      title: 'two at once: the higher one, until something changes',
      at: '2026-01-09T11:30:00Z',
      schedules: [office, sale],
      name: 'sale',
      until: '2026-01-09T13:00:00Z',
    },
    {
      title: 'half past two in the night in which that hour does not exist',
      at: '2026-03-29T01:10:00Z',
      schedules: [night],
      name: 'night',
    },
    {
      title: 'the hour that comes twice, the first time',
      at: '2026-10-25T00:40:00Z',
      schedules: [night],
      name: 'night',
      until: '2026-10-25T02:30:00Z',
    },
  ])('$title', ({ at, schedules, name, until }) => {
    const floor = scheduledFloor(spec({ schedules: [...schedules] }).schedules, Date.parse(at), 5_000);
    expect(floor?.name).toBe(name);
    if (until !== undefined) {
      expect(((floor?.untilMs ?? 0) - 5_000) / 3_600_000).toBeCloseTo(hours(until, at), 6);
    }
  });

  it('is read anew when it changes, and when the clock goes back', () => {
    const { schedules } = spec({ schedules: [office] });
    const nameAt = (iso: string): string | undefined => scheduledFloor(schedules, Date.parse(iso), 0)?.name;
    expect(nameAt('2026-01-05T08:00:00Z')).toBe('office');
    expect(nameAt('2026-01-05T18:00:00Z')).toBeUndefined();
    expect(nameAt('2026-01-05T09:00:00Z')).toBe('office');
  });

  it('is none without schedules', () => {
    expect(scheduledFloor(spec().schedules, 0, 0)).toBeUndefined();
  });
});

describe('a schedule that makes no sense is refused', () => {
  it.each([
    { title: 'a minute that does not exist', change: { start: '61 8 * * *' }, says: /61 8/ },
    { title: 'a day that never comes', change: { end: '0 0 30 2 *' }, says: /0 0 30 2 \*.* never comes/ },
    { title: 'six fields', change: { start: '0 0 8 * * 1' }, says: /five fields/ },
    { title: 'a place that is no time zone', change: { timeZone: 'Europe/Bielefeld' }, says: /no time zone/ },
  ])('$title', ({ change, says }) => {
    expect(() => spec({ schedules: [{ ...office, ...change }] })).toThrow(says);
  });
});
