import { AckPolicy, RetentionPolicy, StorageType, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { z } from 'zod';
import { connectNats } from '#common/nats.ts';
import { secondsToMs, msToNanos } from '#common/units.ts';
import { defaultDeadLetterSubject } from '../worker/outcome/deadLetter.ts';
import type { DemoPolicy } from './policy.ts';

/** Names, and how many jobs may run at once. */
export type Queue = Pick<DemoPolicy, 'stream' | 'consumer' | 'deadLetterStream' | 'maxReplicas' | 'slots'>;

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
export async function openBroker(url: string, queue: Queue): Promise<Broker> {
  const connection = await connectNats({ servers: [url], inboxPrefix: '_INBOX' }, 'penstock-demo');
  const streams = await jetstreamManager(connection);
  await streams.streams.add({
    name: queue.stream,
    subjects: [queue.stream.toLowerCase()],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
  });
  await streams.streams.add({
    name: queue.deadLetterStream,
    subjects: [defaultDeadLetterSubject(queue.stream, queue.consumer)],
    storage: StorageType.File,
  });
  await streams.consumers.add(queue.stream, {
    durable_name: queue.consumer,
    ack_policy: AckPolicy.Explicit,
    ack_wait: msToNanos(secondsToMs(ackWaitSeconds)),
    max_ack_pending: queue.maxReplicas * queue.slots * ackPendingPerSlot,
    max_waiting: Math.max(leastMaxWaiting, queue.maxReplicas * waitingPerReplica),
  });
  const publisher = jetstream(connection);
  return {
    async publish(id, payload) {
      await publisher.publish(queue.stream.toLowerCase(), payload, { msgID: id, timeout: 5_000 });
    },
    async unresolvedJobs() {
      const info = await streams.consumers.info(queue.stream, queue.consumer);
      return info.num_pending + info.num_ack_pending;
    },
    async deadLetters() {
      const ids = new Set<string>();
      const { state } = await streams.streams.info(queue.deadLetterStream);
      if (state.messages === 0) return ids; // Its sequences are not those of any message then.
      for (let sequence = state.first_seq; sequence <= state.last_seq; sequence += 1) {
        const message = await streams.streams.getMessage(queue.deadLetterStream, { seq: sequence });
        if (message !== null) ids.add(jobSchema.parse(message.json()).id);
      }
      return ids;
    },
    async [Symbol.asyncDispose]() {
      await connection.close();
    },
  };
}
