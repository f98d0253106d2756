import { PenstockError } from '#common/errors.ts';
import { createLogger } from '#common/log.ts';
import { connectNats } from '#common/nats.ts';
import type { NatsSettings } from '#common/nats.ts';
import { listenForShutdown } from '#common/shutdown.ts';
import { sleep } from '#common/sleep.ts';
import { Sweeper, advisoryStream } from '../worker/deadLetters/sweeper.ts';
import type { Swept } from '../worker/deadLetters/sweeper.ts';
import { ensureStream } from '../worker/jetstream/ensureStream.ts';
import { defaultDeadLetterSubject } from '../worker/outcome/deadLetter.ts';

export type SweepArguments = {
  readonly stream: string;
  readonly consumer: string;
  /** The stream of dead letters. */
  readonly into: string;
  /** Where dead letters are published; undefined as the workers do it unless told otherwise. */
  readonly subject: string | undefined;
  /** The stream of advisories. */
  readonly advisories: string;
  /** Creates the stream of advisories when it is missing. */
  readonly create: boolean;
  /** Sweeps again and again, with so many seconds between; undefined: once. */
  readonly everySeconds: number | undefined;
  readonly json: boolean;
};

/** `penstock dlq sweep`. Returns the exit code. */
export async function sweep(args: SweepArguments, nats: NatsSettings): Promise<number> {
  using shutdown = listenForShutdown();
  const { stream, consumer, into, advisories, everySeconds } = args;
  const connection = await connectNats(nats, 'penstock-dlq-sweep');
  try {
    if (args.create) {
      await ensureStream(connection, advisoryStream(advisories), stream, createLogger('dlq', 'warn', 2));
    }
    const subject = args.subject ?? defaultDeadLetterSubject(stream, consumer);
    const letters = { stream: into, subject };
    const parts = { connection, stream, consumer, advisories, letters };
    const sweeper = await Sweeper.open(parts);
    if (everySeconds === undefined) return await sweepOnce(sweeper, args, shutdown.requested);
    while (!shutdown.requested.aborted) {
      await keepSweeping(sweeper, args, shutdown.requested);
      await sleep(everySeconds * 1_000, shutdown.requested);
    }
    return 0;
  } finally {
    await connection.close();
  }
}

/** What cannot be swept now is left for the next time. */
async function keepSweeping(sweeper: Sweeper, args: SweepArguments, signal: AbortSignal): Promise<void> {
  try {
    for await (const swept of sweeper.sweep()) {
      print(swept, args);
      if (signal.aborted) return;
    }
  } catch (error) {
    if (!(error instanceof PenstockError && error.retryable)) throw error;
    process.stderr.write(`penstock: ${error.code}: ${error.message}\n`);
  }
}

async function sweepOnce(sweeper: Sweeper, args: SweepArguments, signal: AbortSignal): Promise<number> {
  const count = { buried: 0, gone: 0 };
  for await (const swept of sweeper.sweep()) {
    count[swept.fate] += 1;
    print(swept, args);
    if (signal.aborted) break;
  }
  if (!args.json) {
    process.stderr.write(`penstock: ${count.buried} buried, ${count.gone} gone already\n`);
  }
  return signal.aborted ? 1 : 0;
}

function print(swept: Swept, { stream, consumer, json }: SweepArguments): void {
  const { sequence, deliveries, fate } = swept;
  process.stdout.write(
    json
      ? `${JSON.stringify({ stream, consumer, ...swept })}\n`
      : `${stream}:${sequence} after ${deliveries} deliveries: ${fate}\n`,
  );
}
