import type { NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import { PenstockError } from '#common/errors.ts';
import { sleep } from '#common/sleep.ts';
import { durableConfig, readConsumerInfo } from '../consume/consumer.ts';
import { requestApi } from '../jetstream/api.ts';
import type { ConsumerSeen, Layout, Seen, Step } from './plan.ts';

const lookPeriodMs = 500;
/** A count of nothing left must stand this often in a row: a message may be on its way from stream to consumer. */
const emptyLooks = 2;

const streamSchema = z.object({
  config: z.looseObject({
    retention: z.string().default('limits'),
    subject_transform: z.object({ src: z.string().default('>'), dest: z.string() }).optional(),
  }),
});

const consumersSchema = z.object({
  total: z.number(),
  consumers: z
    .array(
      z.object({
        name: z.string(),
        config: z.object({
          filter_subject: z.string().optional(),
          filter_subjects: z.array(z.string()).optional(),
          max_ack_pending: z.number().default(-1),
        }),
      }),
    )
    .nullish(),
});

/** @throws PenstockError as `requestApi` does. */
export async function lookAtStream(connection: NatsConnection, stream: string): Promise<Seen> {
  const { config } = streamSchema.parse(await requestApi(connection, `STREAM.INFO.${stream}`));
  const consumers = new Map<string, ConsumerSeen>();
  for (let total = 1; consumers.size < total;) {
    const reply = await requestApi(connection, `CONSUMER.LIST.${stream}`, { offset: consumers.size });
    const page = consumersSchema.parse(reply);
    for (const { name, config: consumer } of page.consumers ?? []) {
      const { filter_subject: one, filter_subjects: several, max_ack_pending: maxAckPending } = consumer;
      const filters = several ?? (one === undefined || one === '' ? [] : [one]);
      consumers.set(name, { filters, maxAckPending });
    }
    total = (page.consumers ?? []).length === 0 ? 0 : page.total;
  }
  return { retention: config.retention, transform: config.subject_transform, consumers };
}

export type Remaining = { readonly consumer: string; readonly pending: number; readonly unresolved: number };

export type StepTools = {
  readonly connection: NatsConnection;
  readonly stream: string;
  readonly layout: Layout;
  readonly signal: AbortSignal;
  /** What a consumer still has to do, each time that it has changed. */
  readonly onRemaining: (remaining: Remaining) => void;
};

/** @throws PenstockError as `requestApi` does, or `Interrupted`. */
export async function takeStep(step: Step, tools: StepTools): Promise<void> {
  const { connection, stream, layout } = tools;
  switch (step.kind) {
    case 'transform': {
      const { config } = streamSchema.parse(await requestApi(connection, `STREAM.INFO.${stream}`));
      const { src, dest } = step;
      await requestApi(connection, `STREAM.UPDATE.${stream}`, {
        ...config,
        subject_transform: { src, dest },
      });
      return;
    }
    case 'drained':
      await awaitEmpty(step.consumer, tools);
      return;
    case 'delete':
      await requestApi(connection, `CONSUMER.DELETE.${stream}.${step.consumer}`);
      return;
    case 'create':
    case 'update': {
      const config = { ...durableConfig(step.consumer, layout), filter_subject: step.filter };
      const request = { stream_name: stream, action: step.kind, config };
      await requestApi(connection, `CONSUMER.CREATE.${stream}.${step.consumer}.${step.filter}`, request);
    }
  }
}

/** What each consumer has to do now. */
export async function readRemaining(
  connection: NatsConnection,
  stream: string,
  consumer: string,
): Promise<Remaining> {
  const info = await readConsumerInfo(connection, { stream, consumer });
  return { consumer, pending: info.num_pending, unresolved: info.num_ack_pending };
}

async function awaitEmpty(
  consumer: string,
  { connection, stream, signal, onRemaining }: StepTools,
): Promise<void> {
  let last = '';
  let empty = 0;
  while (empty < emptyLooks) {
    if (signal.aborted)
      throw new PenstockError('Interrupted', 'interrupted; run it again to go on from here');
    const remaining = await readRemaining(connection, stream, consumer);
    const isEmpty = remaining.pending === 0 && remaining.unresolved === 0;
    empty = isEmpty ? empty + 1 : 0;
    const now = JSON.stringify(remaining);
    if (now !== last && !isEmpty) onRemaining(remaining);
    last = now;
    if (empty < emptyLooks) await sleep(lookPeriodMs, signal);
  }
}
