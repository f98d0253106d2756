import type { Clock } from '#common/clock.ts';
import type { NatsConnection } from '#common/nats.ts';
import { askConsumer, askConsumerPage, askStream, readListed, toFacts, whyUnusable } from './jetstream.ts';
import type { Answer, ConsumerInfo } from './jetstream.ts';
import type { ConsumerFacts, Seen, StreamFacts } from './observation.ts';

/** Kept as long as somebody asks: thousands of new ones each second would live just too long for cheap garbage. */
type Sighting = { atMs: number; consumer: Seen<ConsumerFacts> };

type Stream = {
  readonly name: string;
  readonly sightings: Map<string, Sighting>;
  /** Consumers that the next reading is for; it begins when all that happens at this moment has asked. */
  next: { readonly consumers: Set<string>; readonly done: Promise<void> } | undefined;
  /** Consumers of the stream, watched or not, when they were listed last. */
  total: number;
  /** Until then consumers are asked for one by one. */
  noListUntilMs: number;
};

/** An answer this young is good for whoever looks: shorter than the shortest time between two passes of a pool. */
const freshMs = 90;
const forgottenAfterMs = 60_000;
/** Fewer are asked for one by one. */
const fewestToList = 4;
/**
 * In a list a consumer costs about 0.6 of what it costs alone (docs/adr/0017): it pays while most of a stream's
 * consumers are watched.
 */
const mostListedPerWatched = 1.5;
/** A list that is not permitted, or waits for a consumer without a leader, is not tried again for so long. */
const noListMs = 60_000;

const neverAsked: Seen<never> = { kind: 'unseen', message: 'the consumer has not been asked for yet' };

/**
 * What the consumers of a connection say, asked for together: pools that look at the same moment share the requests,
 * each stream is read once for all of its consumers, and consumers of one stream are listed when that is cheaper.
 */
export class StreamReader {
  readonly #connection: NatsConnection;
  readonly #clock: Clock;
  readonly #streams = new Map<string, Stream>();
  #sweptMs = 0;

  constructor(connection: NatsConnection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
  }

  /**
   * The consumer as it is now: no answer, or one that makes no sense, is `unseen` and never a number.
   *
   * @param sinceMs as in `refresh`.
   */
  async read(stream: string, consumer: string, sinceMs?: number): Promise<Seen<ConsumerFacts>> {
    await this.refresh(stream, [consumer], sinceMs);
    return this.latest(stream, consumer);
  }

  /**
   * Resolves when what `latest` says of these consumers is fresh. Never rejects.
   *
   * @param sinceMs since when the caller has been looking, monotonic: an answer that came after it is fresh, however
   *   long the process has been busy with others since.
   */
  async refresh(name: string, consumers: Iterable<string>, sinceMs = Infinity): Promise<void> {
    const stream = this.#stream(name);
    const staleMs = Math.min(sinceMs, this.#clock.monotonicMs() - freshMs);
    let done: Promise<void> | undefined;
    for (const consumer of consumers) {
      const sighting = stream.sightings.get(consumer);
      if (sighting !== undefined && sighting.atMs >= staleMs) continue;
      stream.next ??= { consumers: new Set(), done: this.#readSoon(stream) };
      stream.next.consumers.add(consumer);
      done = stream.next.done;
    }
    await done;
  }

  /** What was seen last, however long ago. */
  latest(stream: string, consumer: string): Seen<ConsumerFacts> {
    return this.#streams.get(stream)?.sightings.get(consumer)?.consumer ?? neverAsked;
  }

  async #readSoon(stream: Stream): Promise<void> {
    await new Promise(setImmediate);
    const wanted = stream.next?.consumers ?? new Set();
    stream.next = undefined;
    const [facts, answers] = await Promise.all([
      askStream(this.#connection, stream.name),
      this.#askConsumers(stream, wanted),
    ]);
    const atMs = this.#clock.monotonicMs();
    for (const [consumer, answer] of answers) {
      const seen = toSeen(answer, facts, atMs);
      const sighting = stream.sightings.get(consumer);
      if (sighting === undefined) stream.sightings.set(consumer, { atMs, consumer: seen });
      else Object.assign(sighting, { atMs, consumer: seen });
    }
    if (atMs - this.#sweptMs > forgottenAfterMs) this.#sweep(atMs);
  }

  async #askConsumers(
    stream: Stream,
    wanted: ReadonlySet<string>,
  ): Promise<ReadonlyMap<string, Answer<ConsumerInfo>>> {
    const answers = this.#mayList(stream, wanted.size)
      ? await this.#list(stream, wanted)
      : new Map<string, Answer<ConsumerInfo>>();
    const rest = [...wanted].filter((consumer) => !answers.has(consumer));
    await Promise.all(
      rest.map(async (consumer) => {
        answers.set(consumer, await askConsumer(this.#connection, stream.name, consumer));
      }),
    );
    return answers;
  }

  #mayList({ total, noListUntilMs }: Stream, watched: number): boolean {
    return (
      watched >= fewestToList &&
      total <= mostListedPerWatched * watched &&
      this.#clock.monotonicMs() >= noListUntilMs
    );
  }

  /** Those that are not in the answer are still to be asked for: a page may have moved under the reading. */
  async #list(stream: Stream, wanted: ReadonlySet<string>): Promise<Map<string, Answer<ConsumerInfo>>> {
    const answers = new Map<string, Answer<ConsumerInfo>>();
    for (let offset = 0; answers.size < wanted.size;) {
      const answer = await askConsumerPage(this.#connection, stream.name, offset);
      if (answer.kind !== 'ok') {
        stream.noListUntilMs = this.#clock.monotonicMs() + noListMs;
        // Who has waited so long for the list shall not wait as long again.
        if (answer.kind === 'failed' && answer.isTimeout) failRest(answers, wanted, answer);
        return answers;
      }
      const { total, length, consumers, missing } = answer.value;
      stream.total = total;
      for (const [consumer, raw] of consumers) {
        if (consumer !== undefined && wanted.has(consumer) && !missing.has(consumer))
          answers.set(consumer, readListed(raw));
      }
      for (const consumer of missing) {
        if (wanted.has(consumer)) answers.set(consumer, leaderless(consumer));
      }
      offset += length;
      if (length === 0 || offset >= total || !this.#mayList(stream, wanted.size)) break;
    }
    return answers;
  }

  #stream(name: string): Stream {
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      stream = { name, sightings: new Map(), next: undefined, total: 0, noListUntilMs: 0 };
      this.#streams.set(name, stream);
    }
    return stream;
  }

  /** Forgets what nobody has asked for lately. */
  #sweep(nowMs: number): void {
    this.#sweptMs = nowMs;
    for (const [name, { sightings, next }] of this.#streams) {
      for (const [consumer, { atMs }] of sightings) {
        if (nowMs - atMs > forgottenAfterMs) sightings.delete(consumer);
      }
      if (sightings.size === 0 && next === undefined) this.#streams.delete(name);
    }
  }
}

function failRest(
  answers: Map<string, Answer<ConsumerInfo>>,
  wanted: ReadonlySet<string>,
  failure: Answer<ConsumerInfo>,
): void {
  for (const consumer of wanted) if (!answers.has(consumer)) answers.set(consumer, failure);
}

const leaderless = (consumer: string): Answer<ConsumerInfo> => ({
  kind: 'failed',
  message: `consumer ${consumer}: its leader does not answer`,
  isTimeout: false,
});

function toSeen(
  answer: Answer<ConsumerInfo>,
  stream: StreamFacts | undefined,
  atMs: number,
): Seen<ConsumerFacts> {
  if (answer.kind === 'ok') {
    const reason = whyUnusable(answer.value);
    if (reason !== undefined) return { kind: 'unseen', message: reason };
    return { kind: 'seen', atMs, value: toFacts(answer.value, stream) };
  }
  return { kind: answer.kind === 'absent' ? 'absent' : 'unseen', message: answer.message };
}
