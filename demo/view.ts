import { stripVTControlCharacters, styleText } from 'node:util';
import { renderGraph } from './graph.ts';
import type { Snapshot } from './progress.ts';

export type View = Disposable & {
  show(snapshot: Snapshot): void;
  /** A line that stays. */
  say(line: string): void;
};

/** What a view needs of stdout or stderr. */
export type Screen = {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
};

export type ViewOptions = { readonly title: string; readonly plain: boolean; readonly color: boolean };

const hideCursor = '\u001B[?25l';
const showCursor = '\u001B[?25h';
const clearToEnd = '\u001B[0J';
const cursorUp = (lines: number): string => `\u001B[${lines}F`;

/** Redraws in place on a terminal; elsewhere, and when asked to, writes one line per snapshot. */
export function openView(screen: Screen, options: ViewOptions): View {
  return screen.isTTY === true && !options.plain
    ? openTerminalView(screen, options)
    : {
        show: (snapshot) => screen.write(`${renderLogLine(snapshot)}\n`),
        say: (line) => screen.write(`${line}\n`),
        [Symbol.dispose]: () => undefined,
      };
}

function openTerminalView(screen: Screen, { title, color }: ViewOptions): View {
  let drawn = 0;
  const erase = (): string => (drawn === 0 ? '' : cursorUp(drawn) + clearToEnd);
  const restore = (): void => void screen.write(showCursor);
  process.once('exit', restore);
  screen.write(hideCursor);
  return {
    show(snapshot) {
      const lines = renderFrame(title, snapshot, usableWidth(screen), color);
      screen.write(`${erase()}${lines.join('\n')}\n`);
      drawn = lines.length;
    },
    say(line) {
      screen.write(`${erase()}${line}\n`);
      drawn = 0;
    },
    [Symbol.dispose]() {
      process.off('exit', restore);
      restore();
    },
  };
}

/** One column less than there are: a full last one makes some terminals wrap. Some terminals say 0 for unknown. */
function usableWidth({ columns = 0 }: Screen): number {
  return columns === 0 ? 79 : Math.max(20, columns - 1);
}

/** The whole picture, each line at most `width` characters wide. */
export function renderFrame(title: string, snapshot: Snapshot, width: number, color: boolean): string[] {
  const { report, backlogHistory, replicaHistory } = snapshot;
  const label = (text: string): string => text.padEnd(12);
  const graphWidth = Math.max(8, width - 28);
  const graph = (name: string, history: readonly (number | null)[]): string =>
    `${label(name)}${renderGraph(history, graphWidth).padEnd(graphWidth)}  peak ${peakOf(history)}`;
  const lines = [
    `${label(snapshot.phase)}${snapshot.elapsedSeconds.toFixed(0)} s   ${title}`,
    `${label('jobs')}${snapshot.published} published   ${snapshot.completed} completed   backlog ${figure(report?.signals.backlogMessages)}`,
    `${label('per second')}${snapshot.arrivalsPerSecond} arrive   ${snapshot.completionsPerSecond} complete`,
    `${label('replicas')}${figure(report?.replicas.desired)} wanted   ${figure(report?.replicas.ready)} ready   utilization ${percent(report?.signals.utilization)}`,
    `${label('decision')}${report === undefined ? 'none yet' : `${report.decision.reason}: ${report.decision.message}`}`,
    graph('backlog', backlogHistory),
    graph('replicas', replicaHistory),
  ];
  return lines.map((line) => {
    const cut = stripVTControlCharacters(line).slice(0, width);
    return color ? styleText('bold', cut.slice(0, 12), { validateStream: false }) + cut.slice(12) : cut;
  });
}

/** The same figures in one line, for logs. */
export function renderLogLine(snapshot: Snapshot): string {
  const { report } = snapshot;
  return [
    `t=${snapshot.elapsedSeconds.toFixed(0)}s`,
    snapshot.phase,
    `arrivals=${snapshot.arrivalsPerSecond}/s`,
    `completions=${snapshot.completionsPerSecond}/s`,
    `backlog=${figure(report?.signals.backlogMessages)}`,
    `replicas=${figure(report?.replicas.ready)}/${figure(report?.replicas.desired)}`,
    `utilization=${percent(report?.signals.utilization)}`,
    `reason=${report?.decision.reason ?? '-'}`,
  ].join(' ');
}

const figure = (value: number | null | undefined): string => `${value ?? '-'}`;
const percent = (share: number | null | undefined): string =>
  share === null || share === undefined ? '-' : `${(share * 100).toFixed(0)}%`;
const peakOf = (history: readonly (number | null)[]): number =>
  Math.max(0, ...history.filter((value) => value !== null));
