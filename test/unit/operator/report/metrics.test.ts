import { expect, test } from 'vitest';
import { OperatorMetrics } from '../../../../operator/report/metrics.ts';
import { passReport } from '../../../builders/passReport.ts';

const { signals, decision, replicas } = passReport();
const times = { passMs: 1, latenessMs: 0 };

/** The lines of one pool, without comments. */
async function lines(metrics: OperatorMetrics, pool: string): Promise<string[]> {
  const text = (await Array.fromAsync(metrics.reply().pieces)).join('');
  return text.split('\n').filter((line) => !line.startsWith('#') && line.includes(`pool="${pool}"`));
}

test('a figure that is not known has no sample, also when it was known before', async () => {
  const metrics = new OperatorMetrics();
  metrics.observe(passReport({ signals: { ...signals, backlogMessages: 7 } }), times);
  expect(await lines(metrics, 'default/work')).toContain(
    'penstock_pool_backlog_messages{pool="default/work"} 7',
  );
  metrics.observe(passReport({ signals: { ...signals, backlogMessages: null } }), times);
  expect((await lines(metrics, 'default/work')).join()).not.toContain('backlog_messages');
});

test('a condition that a later pass does not tell any more has no sample', async () => {
  const metrics = new OperatorMetrics();
  const condition = { type: 'Limited', status: 'True', reason: 'Limited', message: '' } as const;
  metrics.observe(passReport({ conditions: [condition] }), times);
  const sample = 'penstock_pool_condition{pool="default/work",type="Limited"} 1';
  expect(await lines(metrics, 'default/work')).toContain(sample);
  metrics.observe(passReport({ conditions: [] }), times);
  expect((await lines(metrics, 'default/work')).join()).not.toContain('penstock_pool_condition');
});

test('replicas that could not be seen have no sample either', async () => {
  const metrics = new OperatorMetrics();
  metrics.observe(passReport(), times);
  metrics.observe(passReport({ replicas: { ...replicas, ready: null } }), times);
  const seen = await lines(metrics, 'default/work');
  expect(seen).toContain('penstock_pool_replicas{pool="default/work",state="desired"} 1');
  expect(seen.join()).not.toContain('state="ready"');
});

test('scales are counted by direction and reason, holds by reason, failed writes apart', async () => {
  const metrics = new OperatorMetrics();
  const up = { ...decision, kind: 'scale' as const, from: 1, to: 3, reason: 'BacklogGrew' };
  metrics.observe(passReport({ decision: up, outcome: { kind: 'scaled', message: '' } }), times);
  metrics.observe(passReport({ decision: up, outcome: { kind: 'conflict', message: '' } }), times);
  metrics.observe(passReport(), times);
  const seen = await lines(metrics, 'default/work');
  expect(seen).toContain(
    'penstock_pool_scales_total{pool="default/work",direction="up",reason="BacklogGrew"} 1',
  );
  expect(seen).toContain('penstock_pool_write_failures_total{pool="default/work"} 1');
  expect(seen).toContain('penstock_pool_holds_total{pool="default/work",reason="Balanced"} 1');
});

test('a pool that is gone leaves no series behind, and touches no other', async () => {
  const metrics = new OperatorMetrics();
  metrics.observe(passReport({ pool: 'default/gone' }), times);
  metrics.observe(passReport({ pool: 'default/stays' }), times);
  metrics.passFailed('default/gone');
  metrics.keepOnly(new Set(['default/stays']));
  expect(await lines(metrics, 'default/gone')).toEqual([]);
  expect((await lines(metrics, 'default/stays')).length).toBeGreaterThan(5);
});

test('many pools come in pieces, each series under its own metric', async () => {
  const metrics = new OperatorMetrics();
  const pools = Array.from({ length: 5_000 }, (_, index) => `default/pool-${index}`);
  for (const pool of pools) metrics.observe(passReport({ pool }), times);
  const pieces = await Array.fromAsync(metrics.reply().pieces);
  expect(Math.max(...pieces.map((piece) => piece.split('\n').length))).toBeLessThan(3_000);
  const [, block = ''] = pieces.join('').split('# TYPE penstock_pool_recommended_replicas gauge\n');
  const own = block.slice(0, block.indexOf('# HELP')).trim().split('\n');
  expect(own).toHaveLength(pools.length);
  expect(own.every((line) => /^penstock_pool_recommended_replicas\{pool="[^"]+"\} \d+$/.test(line))).toBe(
    true,
  );
});

test('quotes, backslashes and line ends in a label are escaped', async () => {
  const metrics = new OperatorMetrics();
  const hold = { ...decision, reason: 'a"b\\c\nd' };
  metrics.observe(passReport({ decision: hold }), times);
  expect(await lines(metrics, 'default/work')).toContain(
    'penstock_pool_holds_total{pool="default/work",reason="a\\"b\\\\c\\nd"} 1',
  );
});
