import type { JobsVerdict } from './checker.ts';
import type { FleetUsage } from './fleet.ts';

/** The closing figures, as `--json` writes them. */
export type DemoSummary = {
  readonly jobs: JobsVerdict;
  readonly fleet: FleetUsage & {
    /** Jobs that one replica runs at once. */
    readonly slots: number;
    /** The least replica-seconds that could have served the jobs: busy slot-seconds / slots. */
    readonly busyReplicaSeconds: number;
    /** Replica-seconds / busy replica-seconds: 1 is perfect; null when no job ran. */
    readonly costRatio: number | null;
  };
  readonly returnedToFloor: boolean;
  /** Why this is not a success, one sentence each. */
  readonly problems: readonly string[];
};

export function summarizeDemo(
  jobs: JobsVerdict,
  usage: FleetUsage,
  slots: number,
  floorProblem: string | undefined,
): DemoSummary {
  const busyReplicaSeconds = jobs.busySlotSeconds / slots;
  const costRatio = busyReplicaSeconds === 0 ? null : usage.replicaSeconds / busyReplicaSeconds;
  return {
    jobs,
    fleet: { ...usage, slots, busyReplicaSeconds, costRatio },
    returnedToFloor: floorProblem === undefined,
    problems: [
      ...(jobs.lost === 0 ? [] : [`${jobs.lost} of ${jobs.published} published jobs were lost`]),
      ...(floorProblem === undefined ? [] : [floorProblem]),
    ],
  };
}

/** The closing table: one line per figure, with its unit and what it means where that is not plain. */
export function renderSummary({ jobs, fleet, problems }: DemoSummary): string {
  const { waitingSeconds: waiting } = jobs;
  const lines: readonly (readonly [name: string, value: string, note?: string])[] = [
    ['published', `${jobs.published}`],
    ['completed', `${jobs.completed}`],
    ['redelivered', `${jobs.redelivered}`],
    ['run twice', `${jobs.runTwice}`, `${jobs.overlapping} of them at the same time`],
    ['lost', `${jobs.lost}`],
    ['dead-lettered', `${jobs.deadLettered}`],
    ...(waiting === null
      ? []
      : ([
          ['waiting p50', seconds(waiting.p50), 'from the arrival to the first start'],
          ['waiting p95', seconds(waiting.p95)],
          ['waiting p99', seconds(waiting.p99)],
        ] as const)),
    ['replica time', seconds(fleet.replicaSeconds), 'starting and ending included'],
    [
      'busy time',
      seconds(fleet.busyReplicaSeconds),
      `${seconds(jobs.busySlotSeconds)} of work in ${fleet.slots} slots per replica`,
    ],
    ...(fleet.costRatio === null
      ? []
      : ([['cost', fleet.costRatio.toFixed(2), 'replica time / busy time']] as const)),
    ['peak replicas', `${fleet.peakReplicas}`],
    ['scale actions', `${fleet.scaleActions}`],
  ];
  const table = lines.map(
    ([name, value, note]) =>
      `  ${name.padEnd(14)}${value.padStart(10)}${note === undefined ? '' : `   ${note}`}`,
  );
  const verdict =
    problems.length === 0
      ? ['Nothing was lost, and the replicas are back at their floor.']
      : problems.map((problem) => `FAILED: ${problem}.`);
  return ['', ...table, '', ...verdict, ''].join('\n');
}

const seconds = (value: number): string => `${value.toFixed(2)} s`;
