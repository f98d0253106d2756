import type { Explanation, Figure } from './explain.ts';

/** An explanation as a page for a terminal. */
export function explanationText(explanation: Explanation): string {
  const { pool, time } = explanation;
  const sections = [
    [`Pool ${pool} at ${time}`],
    decisionLines(explanation),
    objectiveLines(explanation),
    serviceLevelLines(explanation),
    ruleLines(explanation),
    conditionLines(explanation),
    figureLines(explanation),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function decisionLines({ decision: { kind, from, to, reason, message } }: Explanation): string[] {
  const change =
    kind === 'scale' ? `${count(from)} → ${count(to)} replicas` : `hold at ${count(from)} replicas`;
  return [`${change}: ${reason}`, indent(message)];
}

const answers = { True: 'yes', False: 'NO', Unknown: 'not known' } as const;

function objectiveLines({ objective }: Explanation): string[] {
  if (objective === null) return [];
  const { reachable, reason, message, contributing, remedies } = objective;
  return [
    `Can the objective be reached? ${answers[reachable]}: ${reason}`,
    indent(message),
    ...(contributing.length === 0 ? [] : [indent(`beside it: ${contributing.join(', ')}`)]),
    ...(remedies.length === 0 ? [] : [indent('what would help:')]),
    ...remedies.map(({ change, to }) => indent(indent(remedySentence(change, to)))),
  ];
}

/** How each remedy is said; a record of a later version may know others. */
const remedySentences: Readonly<Record<string, (to: number) => string>> = {
  maxReplicas: (to) => `maxReplicas of ${whole(to)} or more`,
  intakePerSecond: (to) => `no more than ${rate(to)} jobs/s taken in`,
  downstreamPerSecond: (to) => `${rate(to)} jobs/s or more let through by what is behind the replicas`,
  maxAckPending: (to) => `max_ack_pending of ${whole(to)} or more`,
  ackWaitSeconds: (to) => `ack_wait of ${whole(to)} s or more`,
  attemptsPerSuccess: (to) => `fewer than ${rate(to)} attempts per job that succeeds`,
  roomForReplicas: (to) => `room for ${whole(to)} more replicas`,
};

const remedySentence = (change: string, to: number): string =>
  remedySentences[change]?.(to) ?? `${change}: ${to}`;

function serviceLevelLines({ serviceLevel }: Explanation): string[] {
  if (serviceLevel === null) return [];
  const { jobs, withinShare, withinSeconds, objectiveShare, budgetLeft, basis } = serviceLevel;
  const how = basis === 'heartbeats' ? 'counted by the workers' : "estimated by Little's law";
  return [
    `Service level: ${percent(withinShare)} of ${whole(jobs)} jobs in the last hour began within ${withinSeconds} s`,
    indent(
      `the objective is ${percent(objectiveShare)}; ${percent(budgetLeft)} of the error budget is left (${how})`,
    ),
  ];
}

function ruleLines({ rules: { recommended, changes }, decision }: Explanation): string[] {
  const rows = [
    ['the demand alone', recommended === null ? '?' : whole(recommended), ''],
    ...changes.map(({ reason, replicas, message, endsInSeconds }) => [
      reason,
      whole(replicas),
      endsInSeconds === null ? message : `${message} (ends by itself in ${seconds(endsInSeconds)})`,
    ]),
  ];
  return [`How ${count(decision.to)} came about`, ...aligned(rows).map(indent)];
}

function conditionLines({ conditions }: Explanation): string[] {
  const rows = conditions.map(({ type, status, reason, message }) => [
    `${type} ${status}`,
    type === reason ? '' : reason,
    message,
  ]);
  return rows.length === 0 ? [] : ['Conditions', ...aligned(rows).map(indent)];
}

function figureLines({ figures }: Explanation): string[] {
  const rows = figures.flatMap((group) => [
    [group.of, '', ''],
    ...group.figures.map((figure) => [indent(figure.name), ...valueCells(figure)]),
  ]);
  return ['Figures', ...aligned(rows).map(indent)];
}

function valueCells({ value, unit, ageSeconds, unknown }: Figure): [string, string] {
  if (value === null) return [`unknown: ${unknown ?? 'no reason given'}`, ''];
  const text = typeof value === 'number' ? rate(value) : value;
  // An age below the period of the passes is none.
  const isOld = ageSeconds !== null && ageSeconds >= 2;
  return [unit === '' ? text : `${text} ${unit}`, isOld ? `${seconds(ageSeconds)} old` : ''];
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const width = (column: number): number =>
    rows.reduce((most, row) => {
      const cell = row[column] ?? '';
      // Nothing comes behind a reason why something is not known.
      return cell.startsWith('unknown: ') ? most : Math.max(most, cell.length);
    }, 0);
  const last = (rows[0]?.length ?? 1) - 1;
  return rows.map((row) =>
    row
      .map((cell, column) => (column === last ? cell : cell.padEnd(width(column))))
      .join('  ')
      .trimEnd(),
  );
}

const indent = (line: string): string => `  ${line}`;
const count = (replicas: number | null): string => (replicas === null ? '?' : whole(replicas));
const percent = (share: number): string => `${(100 * share).toFixed(share > 0.99 && share < 1 ? 2 : 0)} %`;
const whole = (value: number): string => value.toFixed(0);
const seconds = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} s`;

/** Three digits where they matter, whole numbers above. */
function rate(value: number): string {
  if (Number.isInteger(value) || value >= 100) return value.toFixed(0);
  return value >= 1 ? value.toFixed(1) : value.toPrecision(2);
}
