import { expect, test } from 'vitest';
import { PassPrinter } from '../../../cli/passPrinter.ts';
import { passReport } from '../../builders/passReport.ts';

const at = (seconds: number): string => new Date(Date.UTC(2026, 0, 2, 3, 4, seconds)).toISOString();
const { decision, signals } = passReport();

test('a line says what is there, what was decided, and why', () => {
  const scale = {
    ...decision,
    kind: 'scale' as const,
    to: 3,
    reason: 'BacklogGrew',
    message: '340 wait',
  };
  expect(new PassPrinter().line(passReport({ decision: scale }))).toBe(
    '03:04:05  default/work  replicas 1/1  backlog 0  in 0.0/s  out 0.0/s  busy 0 %  1 → 3: BacklogGrew: 340 wait',
  );
});

test('what is not known is a question mark, never a 0', () => {
  const unseen = { ...signals, backlogMessages: null, arrivalsPerSecond: null, utilization: null };
  expect(new PassPrinter().line(passReport({ signals: unseen }))).toContain(
    'backlog ?  in ?/s  out 0.0/s  busy ?',
  );
});

test('a write that failed and a pool that is not ready stand out', () => {
  const line = new PassPrinter().line(
    passReport({
      outcome: { kind: 'failed', message: 'no right to scale' },
      conditions: [{ type: 'Ready', status: 'False', reason: 'ConsumerMissing', message: 'no consumer' }],
    }),
  );
  expect(line).toMatch(/NOT DONE: no right to scale {2}NOT READY \(ConsumerMissing\): no consumer$/);
});

test('the same again is said only every ten seconds, a change at once, each pool for itself', () => {
  const printer = new PassPrinter();
  const says = (seconds: number, reason: string, pool = 'default/work'): boolean =>
    printer.line(passReport({ time: at(seconds), pool, decision: { ...decision, reason } })) !== undefined;
  expect(says(0, 'Balanced')).toBe(true);
  expect(says(1, 'Balanced')).toBe(false);
  expect(says(2, 'Balanced', 'default/other')).toBe(true);
  expect(says(3, 'Stabilized')).toBe(true);
  expect(says(12, 'Stabilized')).toBe(false);
  expect(says(13, 'Stabilized')).toBe(true);
});
