import type { Outcome, Run } from './compare.ts';

/** Okabe and Ito's colours, which the colour-blind can tell apart too. */
const colours = ['#0072b2', '#d55e00', '#009e73', '#999999'];
const [width, height, left, bottom] = [900, 180, 60, 24];
const mostPoints = 600;

type Line = { readonly name: string; readonly values: readonly number[]; readonly colour: string };

/** A page that opens without a network: what was simulated, a table of outcomes, and plots over time. */
export function page(title: string, description: string, runs: readonly Run[]): string {
  const seconds = runs[0]?.rows.length ?? 0;
  const lines = (of: (run: Run) => readonly number[]): readonly Line[] =>
    runs.map((run, index) => ({
      name: run.outcome.name,
      values: thin(of(run)),
      colour: colours[index % colours.length] ?? '#000',
    }));
  const arrivals = runs[0]?.rows.map((row) => row.arrivals) ?? [];
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>${escape(title)}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; width: 100% } th, td { text-align: right; padding: .2rem .6rem; border-bottom: 1px solid #ddd }
th:first-child, td:first-child { text-align: left } h2 { font-size: 1rem; margin: 1.5rem 0 .2rem } svg { width: 100% }
text { font: 11px system-ui, sans-serif; fill: #555 }
</style>
<h1>${escape(title)}</h1>
<p>${escape(description)}</p>
${table(runs.map(({ outcome }) => outcome))}
<p>${runs.map(({ outcome }, index) => `<span style="color:${colours[index % colours.length] ?? '#000'}">━ ${escape(outcome.name)}</span>`).join(' &nbsp; ')}</p>
${plot('Arrivals, jobs per second', [{ name: 'arrivals', values: thin(arrivals), colour: '#222' }], seconds)}
${plot(
  'Replicas asked for',
  lines(({ rows }) => rows.map(({ desired }) => desired)),
  seconds,
)}
${plot(
  'Backlog, unresolved messages',
  lines(({ rows }) => rows.map(({ backlog }) => backlog)),
  seconds,
)}
${plot('Longest wait of the jobs that started, seconds', lines(longestWaits), seconds)}
</html>
`;
}

function table(outcomes: readonly Outcome[]): string {
  const rows = outcomes.map(
    (outcome) =>
      `<tr>${outcomeCells(outcome)
        .map((cell) => `<td>${escape(cell)}</td>`)
        .join('')}</tr>`,
  );
  const headings = outcomeHeadings.map((heading) => `<th>${escape(heading)}</th>`).join('');
  return `<table><tr>${headings}</tr>${rows.join('')}</table>`;
}

export const outcomeHeadings: readonly string[] = [
  '',
  'wait p50 s',
  'p95 s',
  'p99 s',
  'beyond objective',
  'replica-seconds',
  'cost',
  'peak',
  'actions',
  'reversals',
  'unfinished',
];

/** One row of the table as text. */
export function outcomeCells(outcome: Outcome): readonly string[] {
  const seconds = (value: number | null): string => (value === null ? '–' : value.toFixed(1));
  return [
    outcome.name,
    seconds(outcome.waitP50Seconds),
    seconds(outcome.waitP95Seconds),
    seconds(outcome.waitP99Seconds),
    `${(100 * outcome.beyondObjective).toFixed(2)} %`,
    outcome.replicaSeconds.toFixed(0),
    outcome.cost === null ? '–' : outcome.cost.toFixed(2),
    String(outcome.peakReplicas),
    String(outcome.actions),
    String(outcome.reversals),
    String(outcome.unfinished),
  ];
}

function plot(title: string, lines: readonly Line[], seconds: number): string {
  const most = lines.reduce((peak, { values }) => values.reduce((a, b) => Math.max(a, b), peak), 0) || 1;
  const paths = lines.map(({ name, values, colour }) => {
    const points = values.map((value, index) => {
      const x = left + ((width - left) * index) / Math.max(1, values.length - 1);
      return `${x.toFixed(1)},${(height - bottom - ((height - bottom - 8) * value) / most).toFixed(1)}`;
    });
    return `<polyline fill="none" stroke="${colour}" points="${points.join(' ')}"><title>${escape(name)}</title></polyline>`;
  });
  const axis = `M${left},8V${height - bottom}H${width}`;
  const hours = (share: number): string => `${((seconds * share) / 60).toFixed(0)} min`;
  return `<h2>${escape(title)}</h2>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(title)}">
<path d="${axis}" fill="none" stroke="#999"/>${paths.join('')}
<text x="${left - 6}" y="14" text-anchor="end">${most.toLocaleString('en-US', { maximumFractionDigits: 1 })}</text>
<text x="${left - 6}" y="${height - bottom}" text-anchor="end">0</text>
<text x="${left}" y="${height - 6}">0</text>
<text x="${(left + width) / 2}" y="${height - 6}" text-anchor="middle">${hours(0.5)}</text>
<text x="${width}" y="${height - 6}" text-anchor="end">${hours(1)}</text>
</svg>`;
}

/** Of the jobs that started in each second. */
function longestWaits({ rows, waitsMs }: Run): readonly number[] {
  return rows.map(({ started }, index) => {
    let longestMs = 0;
    for (let job = rows[index - 1]?.started ?? 0; job < started; job += 1) {
      longestMs = Math.max(longestMs, waitsMs[job] ?? 0);
    }
    return longestMs / 1_000;
  });
}

/** Peaks stay: each point is the highest of those it stands for. */
function thin(values: readonly number[]): readonly number[] {
  const size = Math.ceil(values.length / mostPoints);
  if (size <= 1) return values;
  return Array.from({ length: Math.ceil(values.length / size) }, (_, index) =>
    values.slice(index * size, (index + 1) * size).reduce((a, b) => Math.max(a, b), 0),
  );
}

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
