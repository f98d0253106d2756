import { LineChart, ScatterChart } from 'echarts/charts';
import {
  AxisPointerComponent,
  GridComponent,
  LegendComponent,
  MarkLineComponent,
  TitleComponent,
  TooltipComponent,
} from 'echarts/components';
import { init, use } from 'echarts/core';
import { LabelLayout } from 'echarts/features';
import { SVGRenderer } from 'echarts/renderers';
import type { Plot } from './plots.ts';

use([
  LineChart,
  ScatterChart,
  AxisPointerComponent,
  GridComponent,
  LegendComponent,
  MarkLineComponent,
  TitleComponent,
  TooltipComponent,
  LabelLayout,
  SVGRenderer,
]);

const widthPx = 960;

/** A plot as an SVG document; the same plot gives the same text. */
export function drawSvg({ heightPx, options }: Plot): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: widthPx, height: heightPx });
  chart.setOption({ ...options, backgroundColor: '#fff' });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return `${withStableIds(svg)}\n`;
}

/** The library numbers its drawings and their styles on and on; here they are numbered anew. */
function withStableIds(svg: string): string {
  const ids = new Map<string, string>();
  return svg.replaceAll(/zr\d+-[a-z]+-?\d+/g, (id) => {
    const stable = ids.get(id) ?? `p${ids.size}`;
    ids.set(id, stable);
    return stable;
  });
}
