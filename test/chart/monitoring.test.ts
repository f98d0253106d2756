import { expect, test } from 'vitest';
import { OperatorMetrics } from '../../operator/report/metrics.ts';
import { render } from '../builders/chart.ts';

type Rules = { readonly groups: readonly { readonly rules: readonly { readonly expr: string }[] }[] };

/** A metric that is spelled otherwise than the operator spells it makes an alert that never fires. */
test('the alerts ask only for metrics that the operator has', async () => {
  const manifests = await render('penstock', { prometheusRule: { enabled: true } });
  const { groups } = manifests.find(({ kind }) => kind === 'PrometheusRule')?.['spec'] as Rules;
  const alerts = groups.flatMap(({ rules }) => rules.map(({ expr }) => expr));
  const asked = alerts.flatMap((expr) => expr.match(/\bpenstock_\w+/g) ?? []);
  expect(asked.length).toBeGreaterThanOrEqual(alerts.length);
  const exposition = (await Array.fromAsync(new OperatorMetrics().reply().pieces)).join('');
  const known = [...exposition.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name);
  expect(known).toEqual(expect.arrayContaining(asked));
});
