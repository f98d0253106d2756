import { jetstream } from '@nats-io/jetstream';
import { connect, createInbox } from '@nats-io/transport-node';
import type { Msg } from '@nats-io/transport-node';
import { createLogger } from '#common/log.ts';
import { runWorker } from '../../../worker/index.ts';

type JobPeerTask = {
  /** Addresses, separated by commas. */
  readonly url: string;
  readonly stream: string;
  readonly consumer: string;
  readonly slots: number;
  /** Runs one job; resolves when it is done and may be acked. */
  readonly run: (payload: Uint8Array) => Promise<void>;
};

export type JobPeerRun = {
  /** Ends as its documentation says a consumer should be ended; resolves when the process could exit. */
  stop(): Promise<void>;
};

/** A pool of `slots` handlers over one consumer. */
export type JobPeer = (task: JobPeerTask) => Promise<JobPeerRun>;

const ackPayload = new TextEncoder().encode('+ACK');
const expiresNanos = 30e9;

/** Our runtime at its defaults. */
const penstock: JobPeer = async ({ url, stream, consumer, slots, run }) => {
  const worker = await runWorker(
    { stream, consumer, slots, nats: { servers: url.split(',') }, logger: createLogger('worker', 'silent') },
    (job) => run(job.data),
  );
  await worker.ready;
  return {
    async stop() {
      worker.stop();
      await worker.done;
    },
  };
};

/** consume() at its defaults, as its documentation shows it, with as many handlers at once as there are slots. */
const consumeStop: JobPeer = (task) => consume(task, 'stop');

/** The same, ended by draining the connection, as is often advised. */
const consumeDrain: JobPeer = (task) => consume(task, 'drain');

async function consume({ url, stream, consumer, slots, run }: JobPeerTask, ending: 'stop' | 'drain') {
  const connection = await connect({ servers: url.split(','), maxReconnectAttempts: -1 });
  const messages = await (await jetstream(connection).consumers.get(stream, consumer)).consume();
  const running = new Set<Promise<void>>();
  const ended = new AbortController();
  const loop = (async () => {
    for await (const message of messages) {
      if (ended.signal.aborted) break;
      while (running.size >= slots) await Promise.race(running);
      const job = run(message.data)
        .then(() => message.ack())
        .finally(() => running.delete(job));
      running.add(job);
    }
  })().catch(() => undefined);
  return {
    async stop() {
      ended.abort();
      if (ending === 'stop') {
        await messages.close();
        await Promise.all(running);
      }
      await connection.drain();
      await loop;
    },
  };
}

/**
 * The floor: pulls as many as there are free slots, and acks. It extends no lease and knows no failure; ended, it takes
 * nothing more, lets run what runs, and leaves the rest to ack_wait.
 */
const bareLoop: JobPeer = async ({ url, stream, consumer, slots, run }) => {
  const connection = await connect({ servers: url });
  const inbox = createInbox();
  const running = new Set<Promise<void>>();
  let outstanding = 0;
  let isEnding = false;
  const pull = (): void => {
    const batch = slots - running.size - outstanding;
    if (isEnding || batch < 1) return;
    outstanding += batch;
    connection.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`,
      JSON.stringify({ batch, expires: expiresNanos }),
      { reply: inbox },
    );
  };
  const start = (message: Msg): void => {
    const job = run(message.data).then(() => {
      running.delete(job);
      connection.publish(message.reply ?? '', ackPayload);
      pull();
    });
    running.add(job);
  };
  const subscription = connection.subscribe(inbox, {
    callback: (_error, message) => {
      // A status ends a pull; the benchmark is over before.
      if (message.reply === undefined || message.reply === '') return;
      outstanding -= 1;
      if (!isEnding) start(message);
    },
  });
  pull();
  return {
    async stop() {
      isEnding = true;
      subscription.unsubscribe();
      await Promise.all(running);
      await connection.drain();
    },
  };
};

export const jobPeers = {
  penstock,
  'bare loop': bareLoop,
  'consume()': consumeStop,
  'consume(), nc.drain()': consumeDrain,
} as const satisfies Record<string, JobPeer>;

export type JobPeerName = keyof typeof jobPeers;
