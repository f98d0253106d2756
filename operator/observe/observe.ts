import type { Clock } from '#common/clock.ts';
import type { Platform, Pool } from '../platform/platform.ts';
import type { Connections, LinkState } from './connections.ts';
import { observeConsumer } from './jetstream.ts';
import type { Observation, SourceObservation } from './observation.ts';

/** All facts about one pool, asked for at the same time. Never throws: what went wrong is part of the facts. */
export async function observe(
  pool: Pool,
  platform: Platform,
  connections: Connections,
  clock: Clock,
): Promise<Observation> {
  const sources = await Promise.all(
    pool.spec.sources.map(async (source): Promise<SourceObservation> => {
      const settings = platform.connection(pool, source);
      const link: LinkState =
        settings instanceof Error ? { kind: 'down', message: settings.message } : connections.get(settings);
      if (link.kind === 'down')
        return { consumer: { kind: 'unseen', message: link.message }, heartbeats: [] };
      const { connection, heartbeats } = link.link;
      const heard = heartbeats.latest(source.stream, source.consumer);
      return { consumer: await observeConsumer(connection, clock, source), heartbeats: heard };
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
