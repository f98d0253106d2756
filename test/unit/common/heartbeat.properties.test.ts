import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { heartbeatLimits, heartbeatSchema } from '#common/heartbeat.ts';
import type { Heartbeat } from '#common/heartbeat.ts';
import { heartbeat } from '../../builders/heartbeat.ts';
import { propertyRuns } from '../../builders/propertyRuns.ts';

/** Every field is there. */
const complete: Heartbeat = heartbeat({
  breaker: 'closed',
  waits: Array.from({ length: 16 }, () => 1),
  features: {
    lanes: { keys: 1, waits: 1, retriedInPlace: 1 },
    rates: { waits: 1, waitMs: 1 },
    overload: { rejected: 1, expired: 1 },
    retryBudget: { left: 1, delayed: 1 },
    limits: [{ name: 'database', size: 1.5, used: 1, waiting: 1, waits: 1, waitMs: 1 }],
    singleFlights: { led: 1, shared: 1, unguarded: 1 },
    duplicates: { skipped: 1, unknown: 1, unrecorded: 1 },
    batches: { calls: 1, full: 1 },
    published: { inFlight: 1, waiting: 1, stored: 1, failed: 1 },
    threads: { running: 1, lost: 1 },
    reprieved: 1,
    slotStates: 1,
  },
});

type Place = { readonly path: readonly string[]; readonly value: unknown };

/** Every value within a value, itself first, so that a field that is added later is a place as well. */
function places(value: unknown, path: readonly string[] = []): Place[] {
  const inner = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  return [{ path, value }, ...inner.flatMap(([key, field]) => places(field, [...path, key]))];
}

function replaced(value: unknown, [key, ...rest]: readonly string[], by: unknown): unknown {
  if (key === undefined) return by;
  if (Array.isArray(value)) {
    return value.map((item: unknown, index) => (String(index) === key ? replaced(item, rest, by) : item));
  }
  const record = value as Readonly<Record<string, unknown>>; // On a path of `places`.
  return { ...record, [key]: replaced(record[key], rest, by) };
}

const all = places(complete);
const numbers = all.filter(({ value }) => typeof value === 'number');
const wrongNumber = fc.oneof(
  fc.constantFrom(NaN, Infinity, -Infinity, -1, -Number.MIN_VALUE, Number.MAX_VALUE),
  fc.double({ max: 0, maxExcluded: true, noNaN: true }).filter((value) => value < 0),
  fc.double({ min: Number.MAX_SAFE_INTEGER ** 2, minExcluded: true, noNaN: true }),
);
const otherType = fc.constantFrom<unknown>(null, true, '1', '', [], {}, [1], 1n, () => 1);

describe('a heartbeat', () => {
  it('with all that is allowed is taken as it is', () => {
    expect(heartbeatSchema.parse(complete)).toEqual(complete);
    const named = new Set(Object.keys(heartbeatSchema.shape.features.unwrap().shape));
    expect(new Set(Object.keys(complete.features ?? {}))).toEqual(named);
  });

  it.each([
    { title: 'a number beyond reason', wrong: wrongNumber },
    { title: 'something that is no number', wrong: otherType },
  ])('with $title at any place is refused', ({ wrong }) => {
    fc.assert(
      fc.property(fc.constantFrom(...numbers), wrong, ({ path }, value) => {
        const { success } = heartbeatSchema.safeParse(replaced(complete, path, value));
        expect(success, `${path.join('.')} ${String(value)}`).toBe(false);
      }),
      { numRuns: propertyRuns },
    );
  });

  it('with whatever JSON at any place is refused, or holds nothing but finite figures from 0 and short names', () => {
    const place = fc.constantFrom(...all);
    const junk = fc.oneof(
      fc.jsonValue(),
      fc.double(),
      fc.array(fc.nat(), { minLength: 9, maxLength: 20 }),
      fc.array(fc.constant(complete.features?.limits?.[0]), { maxLength: 20 }),
      fc.string({ maxLength: 300 }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(place, junk), { minLength: 1, maxLength: 3 }), (changes) => {
        let said: unknown = complete;
        for (const [{ path }, value] of changes.toSorted(([a], [b]) => b.path.length - a.path.length)) {
          said = replaced(said, path, value);
        }
        const text = JSON.stringify(said) as string | undefined;
        const parsed = heartbeatSchema.safeParse(text === undefined ? undefined : JSON.parse(text));
        if (!parsed.success) return;
        for (const { value } of places(parsed.data)) {
          if (typeof value === 'number')
            expect(value >= 0 && value <= Number.MAX_SAFE_INTEGER ** 2).toBe(true);
          if (typeof value === 'string') expect(value.length).toBeLessThanOrEqual(253);
        }
        expect(parsed.data.features?.limits?.length ?? 0).toBeLessThanOrEqual(heartbeatLimits.most);
      }),
      { numRuns: propertyRuns },
    );
  });
});
