import { StorageType, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connectNats } from '#common/nats.ts';
import { parseRecord } from './jobLog.ts';
import type { JobLog, JobRecord } from './jobLog.ts';

const fetchMs = 5_000;

/**
 * Creates the stream that workers note their jobs in when they share no folder, and follows it.
 *
 * @param subject what the workers publish on, PENSTOCK_DEMO_LOG_SUBJECT.
 */
export async function openJobStream(
  url: string,
  stream: string,
  subject: string,
): Promise<JobLog & AsyncDisposable> {
  const connection = await connectNats({ servers: [url], inboxPrefix: '_INBOX' }, 'penstock-demo-notes');
  const { streams } = await jetstreamManager(connection);
  await streams.add({ name: stream, subjects: [subject], storage: StorageType.File });
  const consumer = await jetstream(connection).consumers.get(stream);
  const records: JobRecord[] = [];
  return {
    records,
    async readNew() {
      const { state } = await streams.info(stream);
      while (records.length < state.last_seq) {
        const batch = { max_messages: state.last_seq - records.length, expires: fetchMs };
        for await (const message of await consumer.fetch(batch)) records.push(parseRecord(message.string()));
      }
    },
    async [Symbol.asyncDispose]() {
      await connection.close();
    },
  };
}
