import type { EChartsCoreOption } from 'echarts/core';
import type { Run } from './compare.ts';

/**
 * The two plots of a comparison, as options of Apache ECharts: what each autoscaler made of the load in total, and what
 * happened over time. The page shows them with hover values and zoom, a document as a drawing.
 */
export type Plot = { readonly heightPx: number; readonly options: EChartsCoreOption };

/** Okabe and Ito's colours, which the colour-blind can tell apart too; the policy comes first. */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#7f7f7f', '#000000'];
const mostPoints = 600;
const axisText = { color: '#444', fontSize: 12 };

/** Cost against waiting: whatever lies further down and to the left is better in both. */
export function tradeOff(runs: readonly Run[]): Plot {
  const series = runs.map(({ outcome }, index) => ({
    type: 'scatter',
    name: outcome.name,
    symbolSize: index === 0 ? 18 : 13,
    itemStyle: { color: colourOf(index) },
    label: { show: true, position: 'right', formatter: outcome.name, color: '#222', fontSize: 12 },
    labelLayout: { hideOverlap: false, moveOverlap: 'shiftY' },
    data: [[outcome.replicaSeconds / 3_600, outcome.waitP95Seconds ?? 0].map((value) => round(value))],
  }));
  const options = {
    animation: false,
    grid: { left: 70, right: 150, top: 20, bottom: 50 },
    tooltip: { trigger: 'item', formatter: '{a}: replica-hours, wait p95 in s: {c}' },
    xAxis: valueAxis('replica-hours paid for', 30),
    yAxis: valueAxis('wait of 95 % of the jobs up to, s', 45),
    series,
  };
  return { heightPx: 320, options };
}

/** One panel below the other over the same time: arrivals, replicas, backlog, waiting. */
export function overTime(runs: readonly Run[], objectiveSeconds: number): Plot {
  const seconds = runs.reduce((most, { timeline }) => Math.max(most, timeline.seconds), 1);
  const bucketSeconds = Math.max(1, Math.ceil(seconds / mostPoints));
  const [unit, unitSeconds] = timeUnit(seconds);
  const first = runs[0];
  const line = (run: Run, index: number, panel: number, values: readonly number[]): object => ({
    type: 'line',
    step: 'end',
    name: run.outcome.name,
    xAxisIndex: panel,
    yAxisIndex: panel,
    showSymbol: false,
    lineStyle: { width: index === 0 ? 2 : 1.2 },
    itemStyle: { color: colourOf(index) },
    z: runs.length - index,
    data: values.map((value, bucket) => [round((bucket * bucketSeconds) / unitSeconds), round(value)]),
  });
  const panels = [
    `arrivals per second, mean over ${bucketSeconds} s`,
    'replicas asked for',
    'unresolved messages',
    `longest wait of the jobs started then, s (objective ${objectiveSeconds} s)`,
  ];
  const arrivals =
    first === undefined
      ? []
      : [
          {
            ...line(first, 0, 0, means(increments(first.timeline.arrived), bucketSeconds)),
            name: 'arrivals',
            itemStyle: { color: '#444' },
            lineStyle: { width: 1 },
            areaStyle: { opacity: 0.15 },
          },
        ];
  const objective = {
    symbol: 'none',
    silent: true,
    lineStyle: { type: 'dashed', color: '#a00' },
    label: { formatter: `objective ${objectiveSeconds} s`, position: 'insideEndTop', color: '#a00' },
    data: [{ yAxis: objectiveSeconds }],
  };
  const series = [
    ...arrivals,
    ...runs.map((run, index) => line(run, index, 1, peaks(run.timeline.desired, bucketSeconds))),
    ...runs.map((run, index) => line(run, index, 2, peaks(run.timeline.backlog, bucketSeconds))),
    ...runs.map((run, index) => ({
      ...line(run, index, 3, peaks(longestWaits(run), bucketSeconds)),
      ...(index === 0 ? { markLine: objective } : {}),
    })),
  ];
  const [panelPx, gapPx, topPx] = [140, 48, 60];
  const topOf = (panel: number): number => topPx + panel * (panelPx + gapPx);
  const axes = panels.map((_, panel) => panel);
  const options = {
    animation: false,
    legend: { top: 0, data: runs.map(({ outcome }) => outcome.name), itemWidth: 22 },
    tooltip: { trigger: 'axis', axisPointer: { type: 'line' } },
    axisPointer: { link: [{ xAxisIndex: 'all' }] },
    title: panels.map((text, panel) => ({
      text,
      left: 8,
      top: topOf(panel) - 24,
      textStyle: { fontSize: 13, fontWeight: 'normal', color: '#222' },
    })),
    grid: axes.map((panel) => ({ left: 70, right: 24, top: topOf(panel), height: panelPx })),
    xAxis: axes.map((panel) => ({
      ...valueAxis(panel === panels.length - 1 ? unit : '', 28),
      gridIndex: panel,
      min: 0,
      max: Math.ceil(seconds / unitSeconds),
      splitLine: { show: false },
    })),
    yAxis: axes.map((panel) => ({ ...valueAxis('', 0), gridIndex: panel, min: 0, splitNumber: 3 })),
    series,
  };
  return { heightPx: topOf(panels.length) + 20, options };
}

export const colourOf = (index: number): string => colours[index % colours.length] ?? '#000000';

const valueAxis = (name: string, nameGap: number): object => ({
  type: 'value',
  name,
  nameLocation: 'middle',
  nameGap,
  nameTextStyle: axisText,
  axisLabel: axisText,
});

function timeUnit(seconds: number): readonly [string, number] {
  if (seconds <= 600) return ['seconds', 1];
  return seconds <= 4 * 3_600 ? ['minutes', 60] : ['hours', 3_600];
}

const round = (value: number): number => Number(value.toPrecision(6));

const increments = (totals: Float64Array): Float64Array =>
  totals.map((total, index) => total - (totals[index - 1] ?? 0));

/** Peaks stay: each point is the highest of those it stands for. */
const peaks = (values: ArrayLike<number>, size: number): readonly number[] =>
  buckets(values, size, (bucket) => bucket.reduce((a, b) => Math.max(a, b), 0));

const means = (values: ArrayLike<number>, size: number): readonly number[] =>
  buckets(values, size, (bucket) => bucket.reduce((a, b) => a + b, 0) / bucket.length);

function buckets(
  values: ArrayLike<number>,
  size: number,
  of: (bucket: readonly number[]) => number,
): readonly number[] {
  const all = Array.from(values);
  return Array.from({ length: Math.ceil(all.length / size) }, (_, index) =>
    of(all.slice(index * size, (index + 1) * size)),
  );
}

/** Of the jobs that started in each second, seconds. */
function longestWaits({ timeline, waitsMs }: Run): Float64Array {
  return timeline.started.map((started, index) => {
    let longestMs = 0;
    for (let job = timeline.started[index - 1] ?? 0; job < started; job += 1) {
      longestMs = Math.max(longestMs, waitsMs[job] ?? 0);
    }
    return longestMs / 1_000;
  });
}
