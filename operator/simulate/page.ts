import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Run } from './compare.ts';
import { outcomeCells, outcomeHeadings } from './outcomeTable.ts';
import { colourOf, overTime, tradeOff } from './plots.ts';
import type { Plot } from './plots.ts';
import { verdictText, verdicts } from './verdicts.ts';

/** What the page says above its plots. */
export type PageText = {
  readonly title: string;
  /** What was simulated, a paragraph each. */
  readonly paragraphs: readonly string[];
  readonly objectiveSeconds: number;
};

/** A page that opens without a network: what was simulated, a table of outcomes, and plots with hover values and zoom. */
export function page(text: PageText, runs: readonly Run[]): string {
  const { title, paragraphs, objectiveSeconds } = text;
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escape(title)}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; width: 100% } th, td { text-align: right; padding: .2rem .5rem; border-bottom: 1px solid #ddd }
th { font-weight: 600; vertical-align: bottom } td:first-child, th:first-child { text-align: left }
td:first-child { white-space: nowrap } td small { display: block; padding-left: 1.35em } tr.cheapest { background: #e6f2ea; font-weight: 600 } tr.beaten, tr.late { color: #777 }
.dot { display: inline-block; width: .7em; height: .7em; border-radius: 50%; margin-right: .4em } h2 { font-size: 1.1rem; margin: 2rem 0 .3rem }
dt { font-weight: 600; float: left; clear: left; margin-right: .5em }
</style>
<h1>${escape(title)}</h1>
${paragraphs.map((paragraph) => `<p>${escape(paragraph)}</p>`).join('\n')}
<h2>Outcome</h2>
${table(runs, objectiveSeconds)}
<dl>
<dt>wait</dt><dd>from a job's arrival to its start; p95 means that 95 % of the jobs waited no longer.</dd>
<dt>beyond objective</dt><dd>share of the jobs that waited longer than ${objectiveSeconds} s.</dd>
<dt>replica-seconds</dt><dd>what is paid for: all replicas, from their creation until their last job has ended.</dd>
<dt>cost</dt><dd>slot-seconds paid for per slot-second of work; 1 would be no idle slot and no start time at all.</dd>
<dt>× oracle</dt><dd>replica-seconds over those of an autoscaler that knows all arrivals and run times in advance and waits no longer.</dd>
<dt>actions, reversals</dt><dd>changes of the replicas, and how often they changed direction.</dd>
</dl>
<h2>Cost against waiting</h2>
<p>Further down waits less, further left costs less.</p>
<div id="trade-off"></div>
<h2>Over time</h2>
<p>Click a name to hide or show it; point at a line for its values; drag the bar at the bottom to zoom.</p>
<div id="over-time"></div>
<script>${library()}</script>
<script>
${show('trade-off', tradeOff(runs))}
${show('over-time', zoomable(overTime(runs, objectiveSeconds)))}
</script>
</html>
`;
}

function table(runs: readonly Run[], objectiveSeconds: number): string {
  const outcomes = runs.map(({ outcome }) => outcome);
  const found = verdicts(outcomes, objectiveSeconds);
  const rows = outcomes.map((outcome, index) => {
    const [name = '', ...cells] = outcomeCells(outcome).map(escape);
    const verdict = found[index] ?? { kind: 'fair' };
    const dot = `<span class="dot" style="background:${colourOf(index)}"></span>`;
    const meaning = escape(verdictText(verdict));
    const texts = [`${dot}${name}${meaning === '' ? '' : `<small>${meaning}</small>`}`, ...cells];
    return `<tr class="${verdict.kind}">${texts.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  });
  const headings = outcomeHeadings.map((heading) => `<th>${escape(heading)}</th>`).join('');
  return `<table><tr>${headings}</tr>${rows.join('')}</table>`;
}

/** The plotting library for browsers, in full, so that nothing is fetched. */
function library(): string {
  const folder = dirname(createRequire(import.meta.url).resolve('echarts'));
  return readFileSync(join(folder, 'echarts.common.min.js'), 'utf8').replaceAll('</script', '<\\/script');
}

function zoomable({ heightPx, options }: Plot): Plot {
  const zoom = [{ type: 'slider', xAxisIndex: 'all', bottom: 8, height: 20 }];
  return { heightPx: heightPx + 50, options: { ...options, dataZoom: zoom } };
}

const show = (id: string, { heightPx, options }: Plot): string => `{
const place = document.getElementById('${id}');
place.style.height = '${heightPx}px';
const chart = echarts.init(place);
chart.setOption(${JSON.stringify(options).replaceAll('<', '\\u003c')});
addEventListener('resize', () => chart.resize());
}`;

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
