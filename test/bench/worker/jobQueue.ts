import { setTimeout as delay } from 'node:timers/promises';
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { ConsumerInfo, JetStreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';
import { Publisher } from '../../../worker/index.ts';

const consumer = 'work';
const setUpMs = 60_000;

export type JobQueueOptions = { readonly ackWaitMs?: number; readonly replicas?: number };

/** A fresh work queue for one measurement. */
export class JobQueue implements AsyncDisposable {
  readonly url: string;
  readonly stream: string;
  readonly consumer = consumer;
  readonly connection: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly #options: JobQueueOptions;

  private constructor(
    url: string,
    connection: NatsConnection,
    jsm: JetStreamManager,
    options: JobQueueOptions,
  ) {
    this.url = url;
    this.stream = `B${Math.random().toString(36).slice(2, 10)}`;
    this.connection = connection;
    this.jsm = jsm;
    this.#options = options;
  }

  static async create(url: string, options: JobQueueOptions = {}): Promise<JobQueue> {
    const connection = await connect({
      servers: url.split(','),
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
    });
    const jsm = await jetstreamManager(connection, { checkAPI: false });
    const queue = new JobQueue(url, connection, jsm, options);
    await patiently(() =>
      queue.jsm.streams.add({
        name: queue.stream,
        subjects: [queue.stream],
        retention: 'workqueue',
        num_replicas: options.replicas ?? 1,
      }),
    );
    await patiently(() => queue.addConsumer());
    return queue;
  }

  async addConsumer(): Promise<void> {
    await this.jsm.consumers.add(this.stream, {
      durable_name: consumer,
      ack_policy: AckPolicy.Explicit,
      ack_wait: (this.#options.ackWaitMs ?? 30_000) * 1e6,
      max_ack_pending: 10_000,
    });
  }

  /** Stores jobs whose payload is made of their number. */
  async fill(jobs: number, payload: (n: number) => string): Promise<void> {
    await using publisher = new Publisher(this.connection);
    for (let n = 0; n < jobs; n += 1) await publisher.send({ subject: this.stream, data: payload(n) });
    await publisher.flush();
  }

  async publish(data: string): Promise<void> {
    await jetstream(this.connection).publish(this.stream, data);
  }

  async info(): Promise<ConsumerInfo> {
    return this.jsm.consumers.info(this.stream, consumer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.jsm.streams.delete(this.stream).catch(() => undefined);
    await this.connection.close();
  }
}

/** A cluster that has just come up, or lost a server, may have nobody who leads for a moment. */
async function patiently<T>(request: () => Promise<T>): Promise<T> {
  const endMs = performance.now() + setUpMs;
  for (;;) {
    try {
      return await request();
    } catch (error) {
      const mayPass = error instanceof Error && /timeout|responders|peers|not available/i.test(error.message);
      if (!mayPass || performance.now() > endMs) throw error;
    }
    await delay(100);
  }
}
