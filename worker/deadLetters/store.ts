import { JetStreamApiCodes, JetStreamApiError, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { JetStreamClient, JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import { RequestError, headers } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';
import { PenstockError, describeError } from '#common/errors.ts';
import { idempotencyKeyHeader } from './headers.ts';
import { readLetter } from './letter.ts';
import type { DeadLetter, Origin } from './letter.ts';

/**
 * The stream of dead letters, for those who look after it. Needs the rights to STREAM.INFO, STREAM.MSG.GET and
 * STREAM.MSG.DELETE of that stream, and to publish where the jobs came from.
 *
 * Every method throws PenstockError `JetStreamUnreachable`, retryable, when the server does not answer.
 */
export class DeadLetterStore {
  readonly name: string;
  readonly #jsm: JetStreamManager;
  readonly #js: JetStreamClient;

  private constructor(name: string, connection: NatsConnection, jsm: JetStreamManager) {
    this.name = name;
    this.#jsm = jsm;
    this.#js = jetstream(connection);
  }

  /** @throws PenstockError `NoDeadLetterStream` */
  static async open(connection: NatsConnection, name: string): Promise<DeadLetterStore> {
    const store = new DeadLetterStore(
      name,
      connection,
      await jetstreamManager(connection, { checkAPI: false }),
    );
    await store.#lastSequence();
    return store;
  }

  /** What lies in the stream now, oldest first; what dies meanwhile is left for the next time. */
  async *letters(): AsyncGenerator<DeadLetter> {
    const last = await this.#lastSequence();
    for (let next = 1; next <= last;) {
      const query = { seq: next, next_by_subj: '>' };
      const message = await this.#ask(() => this.#jsm.streams.getMessage(this.name, query));
      if (message === null || message.seq > last) return;
      yield toLetter(message);
      next = message.seq + 1;
    }
  }

  async get(sequence: number): Promise<DeadLetter | undefined> {
    const message = await this.#ask(() => this.#jsm.streams.getMessage(this.name, { seq: sequence }));
    return message === null ? undefined : toLetter(message);
  }

  /**
   * Sends the job back to its subject, then removes the letter. The job's message id comes from the letter, so that
   * doing it again after an interruption stores nothing twice within the duplicate window of the job's stream.
   *
   * @throws PenstockError `RedriveRefused`: this letter cannot be sent back, and stays.
   */
  async redrive(letter: DeadLetter): Promise<void> {
    const origin = requireOrigin(letter);
    await this.#ask(async () => {
      try {
        await this.#js.publish(origin.subject, letter.data, {
          headers: redriveHeaders(letter),
          msgID: `redrive:${this.name}:${letter.sequence}:${letter.storedAtMs}`,
          expect: { streamName: origin.stream },
        });
      } catch (error) {
        throw refusal(error, letter, origin) ?? error;
      }
    });
    await this.remove(letter);
  }

  /** Removes the letter for good; one that is gone already is no error. */
  async remove(letter: DeadLetter): Promise<void> {
    await this.#ask(async () => {
      try {
        await this.#jsm.streams.deleteMessage(this.name, letter.sequence);
      } catch (error) {
        if (!isGone(error)) throw error;
      }
    });
  }

  async #lastSequence(): Promise<number> {
    const info = await this.#ask(() => this.#jsm.streams.info(this.name));
    return info.state.last_seq;
  }

  async #ask<T>(request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      if (error instanceof PenstockError) throw error;
      if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound) {
        throw new PenstockError(
          'NoDeadLetterStream',
          `there is no stream ${this.name}; name the one that the workers have in PENSTOCK_DEAD_LETTER_STREAM`,
          { cause: error },
        );
      }
      throw new PenstockError(
        'JetStreamUnreachable',
        `stream ${this.name}: ${describeError(error)}; check the connection and the rights of this user`,
        { retryable: true, cause: error },
      );
    }
  }
}

/** Error code of nats-server (server/errors.json) for a sequence that is not in the stream. */
const sequenceNotFound = 10043;

function isGone(error: unknown): boolean {
  return (
    error instanceof JetStreamApiError &&
    (error.code === JetStreamApiCodes.NoMessageFound || error.code === sequenceNotFound)
  );
}

function toLetter(message: StoredMsg): DeadLetter {
  return readLetter({
    sequence: message.seq,
    storedAtMs: message.time.getTime(),
    headers: decodeHeaders(message),
    data: message.data,
  });
}

function decodeHeaders(message: StoredMsg): ReadonlyMap<string, readonly string[]> {
  try {
    return new Map(message.header);
  } catch {
    // The client cannot read the block: the letter is shown without, and cannot be sent back.
    return new Map();
  }
}

function requireOrigin(letter: DeadLetter): Origin {
  const { origin, sequence } = letter;
  if (origin === undefined) {
    throw new PenstockError(
      'RedriveRefused',
      `dead letter ${sequence} does not say where it came from: no worker wrote it`,
    );
  }
  // Headers can be forged: a subject of the server's own API would be a command, given with the rights of this user.
  if (!/^[^\s.*>$][^\s*>]*$/u.test(origin.subject)) {
    throw new PenstockError(
      'RedriveRefused',
      `dead letter ${sequence} names the subject ${JSON.stringify(origin.subject)}, where no job can come from`,
    );
  }
  return origin;
}

function redriveHeaders({ headers: own, idempotencyKey }: DeadLetter): ReturnType<typeof headers> {
  const hdrs = headers();
  for (const [name, values] of own) for (const value of values) hdrs.append(name, value);
  if (idempotencyKey !== undefined) hdrs.set(idempotencyKeyHeader, idempotencyKey);
  return hdrs;
}

/** The error when it concerns this letter alone. */
function refusal(error: unknown, { sequence }: DeadLetter, origin: Origin): PenstockError | undefined {
  const target = `dead letter ${sequence} cannot go back to ${origin.subject}`;
  if (error instanceof JetStreamApiError) {
    return new PenstockError('RedriveRefused', `${target}: stream ${origin.stream}: ${error.message}`, {
      cause: error,
    });
  }
  // The client takes silence about a subject for a server without JetStream, and hides what it heard in the cause.
  const heard = error instanceof Error ? error.cause : undefined;
  if (heard instanceof RequestError && heard.isNoResponders()) {
    return new PenstockError(
      'RedriveRefused',
      `${target}: no stream listens there; let stream ${origin.stream} have that subject again`,
      { cause: error },
    );
  }
  return undefined;
}
