import { PenstockError } from '#common/errors.ts';

/** How a stream is to be split. */
export type Layout = {
  readonly group: string;
  /** Where the partitions come from. */
  readonly split:
    | {
        /** The server hashes wildcards of the subject as it stores a message. */
        readonly kind: 'hash';
        /** Subjects of the jobs, e.g. `orders.*.>`. */
        readonly subjects: string;
        /** Which of its wildcards make the key, counted from 1. */
        readonly key: readonly number[];
        readonly count: number;
      }
    /** Publishers name the partition in the subject: one consumer per filter. */
    | { readonly kind: 'filters'; readonly filters: readonly string[] };
  readonly ackWaitMs: number;
  readonly maxAckPending: number;
  /** Consumer of the time before, which is to have no work left before partitions have any. */
  readonly after: string | undefined;
};

/** What there is. */
export type Seen = {
  readonly retention: string;
  readonly transform: { readonly src: string; readonly dest: string } | undefined;
  /** All consumers of the stream, by name, with the subjects that they filter. */
  readonly consumers: ReadonlyMap<string, ConsumerSeen>;
};

export type ConsumerSeen = { readonly filters: readonly string[]; readonly maxAckPending: number };

export type Step =
  | { readonly kind: 'transform'; readonly src: string; readonly dest: string }
  /** Wait until the consumer has nothing left to deliver, and nothing delivered is unresolved. */
  | { readonly kind: 'drained'; readonly consumer: string }
  | { readonly kind: 'delete'; readonly consumer: string }
  | { readonly kind: 'create'; readonly consumer: string; readonly filter: string }
  | { readonly kind: 'update'; readonly consumer: string; readonly filter: string };

export type Plan = {
  /** Counts how often the partitions were cut anew; undefined when publishers cut them. */
  readonly generation: number | undefined;
  readonly consumers: readonly string[];
  readonly steps: readonly Step[];
};

/**
 * The steps from what there is to what is wanted. Each may be the last one that is done before a crash: planning again
 * goes on from there.
 *
 * Cutting anew keeps the order of keys: first the server stores new jobs under subjects of the next generation, which
 * nobody reads; then the old partitions run empty; only then the new ones are read. Their consumers are made anew, since
 * one that exists would not look back at what was stored before its filter changed.
 *
 * @throws PenstockError `PartitionsRefused`, with what to do.
 */
export function planPartitions(layout: Layout, seen: Seen): Plan {
  const { group, split } = layout;
  if (seen.retention === 'interest') {
    refuse(
      'the stream has interest retention, which drops jobs that no consumer asks for yet; use workqueue or limits',
    );
  }
  if (split.kind === 'filters') return planConsumers(layout, seen, split.filters, undefined, []);
  const current = seen.transform && parseDest(group, seen.transform.dest);
  if (seen.transform !== undefined && current === undefined) {
    const { src, dest } = seen.transform;
    refuse(`the stream has a subject transform already, from ${src} to ${dest}; a stream can have only one`);
  }
  const wanted = (generation: number): string => destOf(group, generation, split);
  const isCut = current !== undefined && isSame(seen.transform, split.subjects, wanted(current.generation));
  if (current !== undefined && !isCut) refuseUnfinished(layout, seen, current);
  const generation = isCut ? current.generation : latestGeneration(group, seen, current) + 1;
  const cut: Step[] = isCut ? [] : [{ kind: 'transform', src: split.subjects, dest: wanted(generation) }];
  const filters = filtersOf(group, generation, split.count);
  return planConsumers(layout, seen, filters, generation, cut);
}

function isSame(transform: Seen['transform'], src: string, dest: string): boolean {
  return transform?.src === src && transform.dest === dest;
}

function planConsumers(
  layout: Layout,
  seen: Seen,
  filters: readonly string[],
  generation: number | undefined,
  before: readonly Step[],
): Plan {
  const { group, maxAckPending } = layout;
  const consumers = filters.map((_, index) => `${group}-${index}`);
  const filterOf = (name: string): string => filters[consumers.indexOf(name)] ?? '';
  const isRight = (name: string): boolean => {
    const found = seen.consumers.get(name)?.filters;
    return found?.length === 1 && found[0] === filterOf(name);
  };
  const old = groupConsumers(group, seen).filter((name) => !isRight(name));
  const missing = consumers.filter((name) => !isRight(name));
  const outdated = consumers.filter(
    (name) => isRight(name) && seen.consumers.get(name)?.maxAckPending !== maxAckPending,
  );
  const drained = [...(missing.length > 0 ? precedingConsumer(layout, seen) : []), ...old];
  return {
    generation,
    consumers,
    steps: [
      ...before,
      ...drained.map((consumer) => ({ kind: 'drained', consumer }) as const),
      ...old.map((consumer) => ({ kind: 'delete', consumer }) as const),
      ...missing.map((consumer) => ({ kind: 'create', consumer, filter: filterOf(consumer) }) as const),
      ...outdated.map((consumer) => ({ kind: 'update', consumer, filter: filterOf(consumer) }) as const),
    ],
  };
}

/** One that takes all subjects would go on taking the new ones. */
function precedingConsumer({ after, split }: Layout, seen: Seen): string[] {
  if (after === undefined) return [];
  const consumer = seen.consumers.get(after);
  if (consumer === undefined) refuse(`there is no consumer ${after}; leave out --after, or correct its name`);
  if (consumer.filters.length === 0) {
    const filter = split.kind === 'hash' ? split.subjects : 'the subjects of old jobs';
    refuse(
      `consumer ${after} has no filter and would take the new jobs too; set its filter_subject to ${filter}`,
    );
  }
  return [after];
}

/** While jobs of a generation are left that no consumer reads, or older ones, a further cut would mix three of them. */
function refuseUnfinished({ group }: Layout, seen: Seen, current: Cut): void {
  const filters = filtersOf(group, current.generation, current.count);
  const complete = filters.every((filter, p) => seen.consumers.get(`${group}-${p}`)?.filters[0] === filter);
  if (complete && groupConsumers(group, seen).length === current.count) return;
  refuse(
    `the change to ${current.count} partitions is not finished; run it to its end first, with --count ${current.count}`,
  );
}

function groupConsumers(group: string, seen: Seen): string[] {
  const isOurs = (name: string): boolean =>
    name.startsWith(`${group}-`) && /^\d+$/.test(name.slice(group.length + 1));
  return [...seen.consumers.keys()].filter(isOurs);
}

/** Also when somebody has removed the transform: subjects of an old generation must not be used again. */
function latestGeneration(group: string, seen: Seen, current: Cut | undefined): number {
  const filters = groupConsumers(group, seen).flatMap((name) => seen.consumers.get(name)?.filters ?? []);
  const generations = filters.map((filter) => Number(filter.split('.')[1])).filter(Number.isSafeInteger);
  return Math.max(0, current?.generation ?? 0, ...generations);
}

type Cut = { readonly generation: number; readonly count: number };

/** `GROUP.GENERATION.PARTITION.` before the subject that the publisher used. */
function destOf(
  group: string,
  generation: number,
  { subjects, key, count }: Extract<Layout['split'], { kind: 'hash' }>,
): string {
  let wildcard = 0;
  const original = subjects.split('.').map((token) => {
    if (token !== '*') return token;
    wildcard += 1;
    return `{{wildcard(${wildcard})}}`;
  });
  return `${group}.${generation}.{{partition(${count},${key.join(',')})}}.${original.join('.')}`;
}

function parseDest(group: string, dest: string): Cut | undefined {
  const [prefix = '', generation, partition = ''] = dest.split('.');
  const count = /^\{\{partition\((\d+),[\d,]+\)\}\}$/.exec(partition)?.[1];
  if (prefix !== group || count === undefined || !/^\d+$/.test(generation ?? '')) return undefined;
  return { generation: Number(generation), count: Number(count) };
}

function filtersOf(group: string, generation: number, count: number): string[] {
  return Array.from({ length: count }, (_, partition) => `${group}.${generation}.${partition}.>`);
}

function refuse(why: string): never {
  throw new PenstockError('PartitionsRefused', why);
}
