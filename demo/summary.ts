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
  const work = `${seconds(jobs.busySlotSeconds)} of work in ${fleet.slots} slots per replica`;
  const overlapping = jobs.overlapping === 0 ? '' : `${jobs.overlapping} of them at the same time`;
  return [
    '',
    line('published', `${jobs.published}`),
    line('completed', `${jobs.completed}`),
    line('redelivered', `${jobs.redelivered}`),
    line('run twice', `${jobs.runTwice}`, overlapping),
    line('lost', `${jobs.lost}`),
    line('dead-lettered', `${jobs.deadLettered}`),
    line('waiting p50', seconds(waiting?.p50), 'from the arrival to the first start'),
    line('waiting p95', seconds(waiting?.p95)),
    line('waiting p99', seconds(waiting?.p99)),
    line('replica time', seconds(fleet.replicaSeconds), 'starting and ending included'),
    line('busy time', seconds(fleet.busyReplicaSeconds), work),
    line('cost', fleet.costRatio?.toFixed(2) ?? '-', 'replica time / busy time'),
    line('peak replicas', `${fleet.peakReplicas}`),
    line('scale actions', `${fleet.scaleActions}`),
    '',
    ...problems.map((problem) => `FAILED: ${problem}.`),
    ...(problems.length === 0 ? ['Nothing was lost, and the replicas are back at their floor.'] : []),
    '',
  ].join('\n');
}

const line = (name: string, value: string, note = ''): string =>
  `  ${name.padEnd(14)}${value.padStart(10)}   ${note}`.trimEnd();

/** A dash for what was not measured. */
const seconds = (value: number | undefined): string => (value === undefined ? '-' : `${value.toFixed(2)} s`);
