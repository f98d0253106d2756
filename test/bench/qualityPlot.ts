import type { Outcome, Run } from '../../operator/simulate/compare.ts';
import type { Plot } from '../../operator/simulate/plots.ts';

/** Cost against waiting on one trace. */
export type Panel = {
  readonly title: string;
  readonly own: Outcome;
  readonly peers: readonly Outcome[];
  readonly oracles: readonly Run[];
};

const [panelWidthPx, panelHeightPx] = [390, 250];
const [leftPx, topPx, stepXPx, stepYPx] = [70, 70, 470, 330];
/** Longer and more expensive is drawn at the edge. */
const [mostCost, mostWaitSeconds] = [8, 100];
/** So that no wait at all has a place on a logarithmic axis. */
const leastWaitSeconds = 0.1;

const kinds = [
  { name: 'KEDA + HPA, settings', colour: '#d55e00', has: (name: string) => name.startsWith('KEDA') },
  { name: 'HPA, settings', colour: '#009e73', has: (name: string) => name.startsWith('HPA') },
  { name: 'fixed sizes', colour: '#999999', has: (name: string) => name.startsWith('fixed') },
];

/** Two panels beside each other, all with the same axes; the wait is drawn logarithmically. */
export function qualityPlot(panels: readonly Panel[]): Plot {
  const left = (index: number): number => leftPx + (index % 2) * stepXPx;
  const top = (index: number): number => topPx + Math.floor(index / 2) * stepYPx;
  const scatter = (
    index: number,
    name: string,
    colour: string,
    size: number,
    outcomes: readonly Outcome[],
  ): object => ({
    type: 'scatter',
    name,
    xAxisIndex: index,
    yAxisIndex: index,
    symbolSize: size,
    itemStyle: { color: colour, opacity: size > 10 ? 1 : 0.6 },
    data: outcomes.map(place),
  });
  const series = panels.flatMap(({ own, peers, oracles }, index) => [
    {
      type: 'line',
      name: 'oracle, knows the future',
      xAxisIndex: index,
      yAxisIndex: index,
      symbolSize: 4,
      itemStyle: { color: '#e69f00' },
      data: front(oracles.map(({ outcome }) => outcome)).map(place),
    },
    ...kinds.map(({ name, colour, has }) =>
      scatter(
        index,
        name,
        colour,
        6,
        peers.filter((peer) => has(peer.name)),
      ),
    ),
    scatter(index, 'Penstock, default policy', '#0072b2', 15, [own]),
  ]);
  const axis = { nameLocation: 'middle', nameTextStyle: { color: '#444' }, axisLabel: { color: '#444' } };
  const options = {
    animation: false,
    legend: { top: 8 },
    title: panels.map(({ title }, index) => ({
      text: title,
      left: left(index),
      top: top(index) - 26,
      textStyle: { fontSize: 13, fontWeight: 'normal' },
    })),
    grid: panels.map((_, index) => ({
      left: left(index),
      top: top(index),
      width: panelWidthPx,
      height: panelHeightPx,
    })),
    xAxis: panels.map((_, gridIndex) => ({
      ...axis,
      type: 'value',
      gridIndex,
      min: 1,
      max: mostCost,
      name: 'cost: slot-seconds paid for per slot-second of work',
      nameGap: 26,
    })),
    yAxis: panels.map((_, gridIndex) => ({
      ...axis,
      type: 'log',
      gridIndex,
      min: leastWaitSeconds,
      max: mostWaitSeconds,
      name: 'wait p95, s',
      nameGap: 40,
    })),
    series,
  };
  return { heightPx: topPx + Math.ceil(panels.length / 2) * stepYPx, options };
}

const place = ({ cost, waitP95Seconds }: Outcome): readonly [number, number] => [
  Number(Math.min(mostCost, cost ?? mostCost).toFixed(3)),
  Number(Math.min(mostWaitSeconds, Math.max(leastWaitSeconds, waitP95Seconds ?? 0)).toFixed(3)),
];

/** Those that no other beats in both, by rising cost. */
function front(outcomes: readonly Outcome[]): readonly Outcome[] {
  const byCost = outcomes.toSorted((a, b) => (a.cost ?? 0) - (b.cost ?? 0));
  let least = Infinity;
  return byCost.filter(({ waitP95Seconds }) => {
    const wait = waitP95Seconds ?? Infinity;
    if (wait >= least) return false;
    least = wait;
    return true;
  });
}
