import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { ConsumerConfig, ConsumerInfo, JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';
import { createLogger } from '#common/log.ts';
import { runWorker } from '../../../worker/index.ts';
import type { Handler, HandlerHost, RunningWorker, WorkerOptions } from '../../../worker/index.ts';
import { until as untilSeen } from '../../builders/until.ts';

/** Waits for a state of the world; a failure quotes the condition. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  await untilSeen(condition.toString(), condition);
}

/** One stream with one consumer on a real server, and a client to look at them. */
export class Queue implements AsyncDisposable {
  readonly url: string;
  readonly stream: string;
  readonly consumer = 'work';
  readonly connection: NatsConnection;
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;

  constructor(url: string, stream: string, connection: NatsConnection, jsm: JetStreamManager) {
    this.url = url;
    this.stream = stream;
    this.connection = connection;
    this.js = jetstream(connection);
    this.jsm = jsm;
  }

  static async create(
    url: string,
    { replicas = 1, consumer = {} }: { replicas?: number; consumer?: Partial<ConsumerConfig> | null } = {},
  ): Promise<Queue> {
    const connection = await connect({
      servers: url.split(','),
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
    });
    const jsm = await jetstreamManager(connection);
    const stream = `S${Math.random().toString(36).slice(2, 10)}`;
    const queue = new Queue(url, stream, connection, jsm);
    await jsm.streams.add({
      name: stream,
      subjects: [`${stream}.>`],
      retention: 'workqueue',
      num_replicas: replicas,
    });
    if (consumer !== null) await queue.addConsumer(consumer);
    return queue;
  }

  async addConsumer(config: Partial<ConsumerConfig> = {}): Promise<void> {
    await this.jsm.consumers.add(this.stream, {
      durable_name: this.consumer,
      ack_policy: AckPolicy.Explicit,
      ack_wait: 5_000 * 1e6,
      max_ack_pending: 10_000,
      ...config,
    });
  }

  /** Publishes `count` jobs whose payload is their number, from `first` on. */
  async publish(count: number, first = 0): Promise<void> {
    for (let start = first; start < first + count; start += 1_000) {
      const end = Math.min(start + 1_000, first + count);
      await Promise.all(
        Array.from({ length: end - start }, (_, index) =>
          this.js.publish(`${this.stream}.job`, `${start + index}`, { msgID: `${start + index}` }),
        ),
      );
    }
  }

  async info(): Promise<ConsumerInfo> {
    return this.jsm.consumers.info(this.stream, this.consumer);
  }

  /** Nothing waits, nothing is held. */
  async isDone(): Promise<boolean> {
    const info = await this.info();
    return info.num_pending === 0 && info.num_ack_pending === 0;
  }

  async messages(): Promise<number> {
    return (await this.jsm.streams.info(this.stream)).state.messages;
  }

  options(more: Partial<WorkerOptions> = {}): WorkerOptions {
    return {
      stream: this.stream,
      consumer: this.consumer,
      nats: { servers: this.url.split(',') },
      graceMs: 10_000,
      logger: createLogger('worker', 'silent'),
      ...more,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection.close();
  }
}

export type DisposableWorker = RunningWorker & AsyncDisposable;

/** A worker in this process that has begun to pull, and is stopped at the end of the test whatever happens. */
export async function startWorker(
  options: WorkerOptions,
  handler: Handler | HandlerHost,
): Promise<DisposableWorker> {
  const worker = await beginWorker(options, handler);
  await worker.ready;
  return worker;
}

/** The same without waiting for NATS or the consumer. */
export async function beginWorker(
  options: WorkerOptions,
  handler: Handler | HandlerHost,
): Promise<DisposableWorker> {
  const worker = await runWorker(options, handler);
  return Object.assign(worker, {
    async [Symbol.asyncDispose]() {
      worker.stopNow();
      await worker.done.catch(() => undefined);
    },
  });
}

const mainFile = fileURLToPath(new URL('../../../worker/main.ts', import.meta.url));

export type WorkerProcess = AsyncDisposable & {
  readonly child: ChildProcess;
  /** Lines of stdout: the log, and what the handler prints. */
  readonly lines: string[];
  readonly stderr: () => string;
  readonly exit: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
};

/** The worker program with a handler of test/integration/worker/fixtures. */
export function spawnWorker(
  queue: Queue,
  handler: string,
  environment: Record<string, string> = {},
): WorkerProcess {
  const file = fileURLToPath(new URL(`./fixtures/${handler}`, import.meta.url));
  return spawnProgram(file, {
    NATS_URL: queue.url,
    PENSTOCK_STREAM: queue.stream,
    PENSTOCK_CONSUMER: queue.consumer,
    PENSTOCK_HTTP_PORT: 'off',
    ...environment,
  });
}

export function spawnProgram(handlerFile: string, environment: Record<string, string>): WorkerProcess {
  const child = spawn(process.execPath, [mainFile, handlerFile], {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  let rest = '';
  child.stdout.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  // Not 'exit': by 'close', all that it printed has been read.
  const exit = once(child, 'close').then(([code, signal]: unknown[]) => ({
    code: code as number | null, // The signature of the event.
    signal: signal as NodeJS.Signals | null,
  }));
  return {
    child,
    lines,
    stderr: () => stderr,
    exit,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      child.kill('SIGCONT');
      await exit;
    },
  };
}
