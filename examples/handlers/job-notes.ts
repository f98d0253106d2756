/**
 * Where the demo's handler notes what it did, so that nobody has to believe the worker's own figures: in files of a
 * folder that all workers share, or, where they share none, in a stream.
 */
import { appendFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';

export type Note = (event: 'start' | 'end', id: string, attempt: number) => void | Promise<void>;

/** The name of this process: a process id can come again, together with the start it cannot. */
const worker = `${hostname()}-${process.pid}-${Date.now()}`;

/** By PENSTOCK_DEMO_LOG, a folder, or PENSTOCK_DEMO_LOG_SUBJECT, where a stream listens; without both nothing is noted. */
export async function openNotes(): Promise<Note> {
  const { PENSTOCK_DEMO_LOG: folder, PENSTOCK_DEMO_LOG_SUBJECT: subject } = process.env;
  if (folder !== undefined) return noteInFile(join(folder, `${worker}.jsonl`));
  if (subject !== undefined) return noteInStream(subject);
  return () => undefined;
}

/** Written before it returns: what was noted survives whatever ends the process next. */
function noteInFile(file: string): Note {
  return (event, id, attempt) => appendFileSync(file, `${line(event, id, attempt)}\n`);
}

/** Stored before it resolves. */
async function noteInStream(subject: string): Promise<Note> {
  const connection = await connect({ servers: (process.env['NATS_URL'] ?? '').split(',') });
  const js = jetstream(connection);
  return async (event, id, attempt) => {
    await js.publish(subject, line(event, id, attempt));
  };
}

const line = (event: string, id: string, attempt: number): string =>
  JSON.stringify({ event, id, worker, attempt, atMs: Date.now() });
