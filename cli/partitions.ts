import { PenstockError, describeError } from '#common/errors.ts';
import { connectNats } from '#common/nats.ts';
import type { NatsConnection, NatsSettings } from '#common/nats.ts';
import { listenForShutdown } from '#common/shutdown.ts';
import { lookAtStream, readRemaining, takeStep } from '../worker/partitions/cluster.ts';
import type { StepTools } from '../worker/partitions/cluster.ts';
import { planPartitions } from '../worker/partitions/plan.ts';
import type { Layout, Plan, Step } from '../worker/partitions/plan.ts';

export type PartitionsArguments = {
  readonly stream: string;
  readonly json: boolean;
  readonly action:
    | { readonly kind: 'apply'; readonly layout: Layout; readonly dryRun: boolean }
    | { readonly kind: 'show'; readonly group: string };
};

/** `penstock partitions`. Returns the exit code. */
export async function partitions(args: PartitionsArguments, nats: NatsSettings): Promise<number> {
  using shutdown = listenForShutdown();
  const connection = await connectNats(nats, 'penstock-partitions');
  try {
    const { action } = args;
    if (action.kind === 'show') await show(connection, args, action.group);
    else await apply(connection, args, action, shutdown.requested);
    return 0;
  } finally {
    await connection.close();
  }
}

async function apply(
  connection: NatsConnection,
  { stream, json }: PartitionsArguments,
  { layout, dryRun }: { readonly layout: Layout; readonly dryRun: boolean },
  signal: AbortSignal,
): Promise<void> {
  const plan = planPartitions(layout, await lookAtStream(connection, stream));
  const tools: StepTools = {
    connection,
    stream,
    layout,
    signal,
    onRemaining: ({ consumer, pending, unresolved }) =>
      complain(`${consumer}: ${pending} to deliver, ${unresolved} unresolved`),
  };
  for (const step of plan.steps) {
    if (!json) print(dryRun ? `would ${describeStep(step)}` : describeStep(step));
    if (!dryRun) await take(step, tools);
  }
  if (json) print(JSON.stringify({ stream, dryRun, ...plan }));
  else report(plan, dryRun);
}

async function take(step: Step, tools: StepTools): Promise<void> {
  try {
    await takeStep(step, tools);
  } catch (error) {
    if (error instanceof PenstockError && error.code === 'Interrupted') throw error;
    throw new PenstockError(
      'PartitionsFailed',
      `could not ${describeStep(step)}: ${describeError(error)}; run it again to go on from here`,
      { cause: error },
    );
  }
}

function report({ consumers, steps }: Plan, dryRun: boolean): void {
  if (steps.length === 0) print('nothing to change');
  else if (!dryRun) print('done');
  print(`workers: PENSTOCK_CONSUMER=${consumers.join(',')} PENSTOCK_SLOTS=${consumers.length}`);
}

async function show(
  connection: NatsConnection,
  { stream, json }: PartitionsArguments,
  group: string,
): Promise<void> {
  const seen = await lookAtStream(connection, stream);
  const names = [...seen.consumers.keys()].filter((name) => name.startsWith(`${group}-`));
  if (names.length === 0) {
    throw new PenstockError(
      'NoPartitions',
      `stream ${stream} has no consumers named ${group}-0, ${group}-1 and so on; penstock partitions apply makes them`,
    );
  }
  for (const name of names.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))) {
    const { pending, unresolved } = await readRemaining(connection, stream, name);
    const { filters = [], maxAckPending } = seen.consumers.get(name) ?? {};
    print(
      json
        ? JSON.stringify({ consumer: name, filters, maxAckPending, pending, unresolved })
        : `${name}  ${filters.join(' ')}  ${pending} to deliver  ${unresolved} unresolved  at most ${maxAckPending} at once`,
    );
  }
}

function describeStep(step: Step): string {
  switch (step.kind) {
    case 'transform':
      return `store ${step.src} as ${step.dest}`;
    case 'drained':
      return `wait until ${step.consumer} has nothing left`;
    case 'delete':
      return `delete ${step.consumer}`;
    case 'create':
      return `create ${step.consumer} on ${step.filter}`;
    case 'update':
      return `update ${step.consumer}`;
  }
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const complain = (line: string): void => void process.stderr.write(`penstock: ${line}\n`);
