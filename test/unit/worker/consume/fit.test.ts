import { describe, expect, test } from 'vitest';
import { ackWaitMs, checkFit, consumerInfoSchema } from '../../../../worker/consume/fit.ts';

const needs = { slots: 8, maxAttempts: 5, maxWaiting: 0 };
const good = {
  ack_policy: 'explicit',
  ack_wait: 30e9,
  max_deliver: -1,
  max_ack_pending: 1_000,
  max_waiting: 512,
};
const check = (config: object, more = {}): ReturnType<typeof checkFit> =>
  checkFit(consumerInfoSchema.parse({ num_pending: 0, num_ack_pending: 0, config: { ...good, ...config } }), {
    ...needs,
    ...more,
  });

describe('a consumer', () => {
  test('that fits draws no remark', () => expect(check({})).toEqual({ faults: [], warnings: [] }));

  const cases: Record<string, { config: object; fault?: string; warning?: string }> = {
    'without acks': { config: { ack_policy: 'none' }, fault: 'ack_policy is none' },
    'that pushes': { config: { deliver_subject: 'out' }, fault: 'push consumer' },
    'with priority groups': { config: { priority_policy: 'pinned_client' }, fault: 'priority_policy' },
    'with a backoff list': { config: { backoff: [5e9, 10e9] }, warning: 'backoff' },
    'with a short ack_wait': { config: { ack_wait: 1e9 }, warning: 'ack_wait is 1000 ms' },
    'that gives up too early': { config: { max_deliver: 5 }, warning: 'max_deliver is 5' },
    'with few pulls': { config: { max_waiting: 2 }, warning: 'max_waiting is 2' },
    'with less ack pending than slots': { config: { max_ack_pending: 4 }, warning: 'max_ack_pending is 4' },
  };
  for (const [name, { config, fault, warning }] of Object.entries(cases)) {
    test(name, () => {
      const fit = check(config);
      if (fault === undefined) expect(fit.faults).toEqual([]);
      else expect(fit.faults.join()).toContain(fault);
      if (warning === undefined) expect(fit.warnings).toEqual([]);
      else expect(fit.warnings.join()).toContain(warning);
    });
  }

  test('that jobs which wait for their key could fill draws a remark', () => {
    expect(check({ max_ack_pending: 257 }, { maxWaiting: 250 }).warnings.join()).toContain(
      'lower maxWaiting',
    );
    expect(check({ max_ack_pending: 258 }, { maxWaiting: 250 }).warnings).toEqual([]);
    expect(check({ max_ack_pending: -1 }, { maxWaiting: 250 }).warnings).toEqual([]);
  });

  test('waits as long as the shortest of its backoff list, else ack_wait, else the default', () => {
    expect(ackWaitMs({ backoff: [5e9, 1e9, 9e9], ack_wait: 30e9 })).toBe(1_000);
    expect(ackWaitMs({ backoff: [], ack_wait: 5e9 })).toBe(5_000);
    expect(ackWaitMs({ backoff: [] })).toBe(30_000);
  });
});
