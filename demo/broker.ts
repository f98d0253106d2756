import { AckPolicy, RetentionPolicy, StorageType, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { z } from 'zod';
import { connectNats } from '#common/nats.ts';
import { secondsToMs, msToNanos } from '#common/units.ts';
import type { DemoPolicy } from './policy.ts';

/** The stream and the consumer, and how many jobs may run at once. */
export type Queue = Pick<DemoPolicy, 'stream' | 'consumer' | 'maxReplicas' | 'slots'>;

export type Broker = AsyncDisposable & {
  /**
   * Stores one job; the same id within two minutes is stored once.
   *
   * @throws Error when no acknowledgement came; it may be stored nevertheless.
   */
  publish(id: string, payload: string): Promise<void>;
  /** Jobs that are waiting, running, or about to be tried again. */
  unresolvedJobs(): Promise<number>;
  /** Ids of the jobs that were given up. */
  deadLetters(): Promise<ReadonlySet<string>>;
};

const ackWaitSeconds = 30;
/** Per replica: the running jobs, as many buffered ones, and slack for replicas that come and go. */
const ackPendingPerSlot = 4;
/** Pull requests that the server keeps open: its own default, unless replicas and their predecessors need more. */
const leastMaxWaiting = 512;
const waitingPerReplica = 8;

/** Of what the producer sends, and what a dead letter still carries: enough to tell which job it is. */
const jobSchema = z.object({ id: z.string() });

/** Creates the stream, the consumer that the workers share, and the stream for jobs that were given up. */
export async function openBroker(url: string, policy: Queue): Promise<Broker> {
  const connection = await connectNats({ servers: [url], inboxPrefix: '_INBOX' }, 'penstock-demo');
  const streams = await jetstreamManager(connection);
  const deadLetterStream = `${policy.stream}_DEAD`;
  await streams.streams.add({
    name: policy.stream,
    subjects: [policy.stream.toLowerCase()],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
  });
  await streams.streams.add({
    name: deadLetterStream,
    subjects: [`dead.${policy.stream}.>`],
    storage: StorageType.File,
  });
  await streams.consumers.add(policy.stream, {
    durable_name: policy.consumer,
    ack_policy: AckPolicy.Explicit,
    ack_wait: msToNanos(secondsToMs(ackWaitSeconds)),
    max_ack_pending: policy.maxReplicas * policy.slots * ackPendingPerSlot,
    max_waiting: Math.max(leastMaxWaiting, policy.maxReplicas * waitingPerReplica),
  });
  const publisher = jetstream(connection);
  return {
    async publish(id, payload) {
      await publisher.publish(policy.stream.toLowerCase(), payload, { msgID: id, timeout: 5_000 });
    },
    async unresolvedJobs() {
      const info = await streams.consumers.info(policy.stream, policy.consumer);
      return info.num_pending + info.num_ack_pending;
    },
    async deadLetters() {
      const ids = new Set<string>();
      const { state } = await streams.streams.info(deadLetterStream);
      for (let sequence = state.first_seq; sequence <= state.last_seq; sequence += 1) {
        const message = await streams.streams.getMessage(deadLetterStream, { seq: sequence });
        if (message !== null) ids.add(jobSchema.parse(message.json()).id);
      }
      return ids;
    },
    async [Symbol.asyncDispose]() {
      await connection.close();
    },
  };
}
