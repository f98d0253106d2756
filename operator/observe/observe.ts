import type { Clock } from '#common/clock.ts';
import type { Source } from '#crds/worker-pool.ts';
import type { Platform, Pool } from '../platform/platform.ts';
import type { Connections, Link, LinkState } from './connections.ts';
import type { Observation, SourceObservation } from './observation.ts';

/** What is looked at, and when. */
export type Sight = {
  readonly platform: Platform;
  readonly connections: Connections;
  readonly clock: Clock;
};

/**
 * All facts about one pool, asked for at the same time. Never throws: what went wrong is part of the facts.
 *
 * @param sinceMs since when the pool has been looked at, monotonic: what was read after it need not be read again.
 */
export async function observe(
  pool: Pool,
  { platform, connections, clock }: Sight,
  sinceMs: number,
): Promise<Observation> {
  const sources = await Promise.all(
    pool.spec.sources.map(async (source): Promise<SourceObservation> => {
      const link = linkTo(pool, source, platform, connections);
      if (link.kind === 'down')
        return { consumer: { kind: 'unseen', message: link.message }, heartbeats: [] };
      const { streams, heartbeats } = link.link;
      const heard = heartbeats.latest(source.stream, source.consumer);
      return { consumer: await streams.read(source.stream, source.consumer, sinceMs), heartbeats: heard };
    }),
  );
  const heard = new Set(
    sources.flatMap(({ heartbeats }) =>
      heartbeats
        .filter(({ heartbeat }) => heartbeat.state === 'running')
        .map(({ heartbeat }) => heartbeat.replica),
    ),
  );
  const workload = await platform.workload(pool, heard);
  return { atMs: clock.monotonicMs(), sources, workload };
}

/** Where a pool looks. Those with the same key read the same streams, and best do so at the same moment. */
export type Outlook = {
  readonly key: string;
  /** In the order of the policy's sources; none while one of them cannot be reached. */
  readonly views: readonly View[];
};
type View = { readonly link: Link; readonly source: Source };

const nowhere: Outlook = { key: '', views: [] };

/** @param before returned again if it still holds: thousands of pools are asked about every second. */
export function outlookOf(
  pool: Pool,
  platform: Platform,
  connections: Connections,
  before: Outlook = nowhere,
): Outlook {
  const views: View[] = [];
  for (const source of pool.spec.sources) {
    const state = linkTo(pool, source, platform, connections);
    if (state.kind === 'down') return nowhere;
    views.push({ link: state.link, source });
  }
  const isSame =
    views.length === before.views.length &&
    views.every(({ link, source }, index) => {
      const old = before.views[index];
      return old?.link === link && old.source === source;
    });
  if (isSame) return before;
  return { key: views.map(({ link, source }) => `${link.id} ${source.stream} `).join(''), views };
}

/** The connection to a source, or why there is none. */
export function linkTo(pool: Pool, source: Source, platform: Platform, connections: Connections): LinkState {
  const settings = platform.connection(pool, source);
  return settings instanceof Error ? { kind: 'down', message: settings.message } : connections.get(settings);
}
