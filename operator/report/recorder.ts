import { randomUUID } from 'node:crypto';
import { open, rename } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { Clock } from '#common/clock.ts';
import { PenstockError, describeError } from '#common/errors.ts';
import type { Logger } from '#common/log.ts';
import type { WorkerPoolSpec } from '#crds/worker-pool.ts';
import { recordVersion } from './recordFormat.ts';
import type { RecordedPass } from './recordFormat.ts';

export type RecorderOptions = {
  readonly file: string;
  /** Of the file and the one before it, FILE.1, together. */
  readonly maxBytes: number;
  /** Called with lines that came to be written, or that were given up. */
  readonly onLines: (outcome: 'written' | 'dropped', lines: number) => void;
};

type Queued = { readonly pool: RecordedPass['pool']; readonly line: string };

/** Beyond so much that waits to be written, lines are given up: a slow disk fills no memory. */
const mostQueuedBytes = 16_000_000;
/** After a failure the disk is left alone for so long. */
const pauseMs = 10_000;

/**
 * Writes passes to a file, in their order, and never holds one up: writing goes on beside the passes, and what cannot
 * be written is counted, said once, and given up. A full file becomes FILE.1, in the place of an older one.
 */
export class Recorder implements AsyncDisposable {
  readonly #options: RecorderOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #run = randomUUID();
  /** What the current file says of each pool. */
  readonly #specs = new Map<string, WorkerPoolSpec>();
  #file: FileHandle | undefined;
  #fileBytes = 0;
  #queue: Queued[] = [];
  #queuedBytes = 0;
  #writing: Promise<void> | undefined;
  #pausedUntilMs = -Infinity;

  private constructor(options: RecorderOptions, clock: Clock, log: Logger) {
    this.#options = options;
    this.#clock = clock;
    this.#log = log;
  }

  /** @throws PenstockError `InvalidConfiguration` when the file cannot be opened. */
  static async open(options: RecorderOptions, clock: Clock, log: Logger): Promise<Recorder> {
    const recorder = new Recorder(options, clock, log);
    try {
      await recorder.#start();
    } catch (error) {
      throw new PenstockError(
        'InvalidConfiguration',
        `cannot record to ${options.file}: ${describeError(error)}`,
        { cause: error },
      );
    }
    return recorder;
  }

  /** @param time of the pass, ISO 8601. */
  record(time: string, { pool, observation, decision, outcome }: RecordedPass): void {
    const line = `${JSON.stringify({ kind: 'pass', time, pool: pool.key, observation, decision, outcome })}\n`;
    const bytes = Buffer.byteLength(line);
    const isTooMuch = this.#queuedBytes + bytes > mostQueuedBytes || bytes > this.#options.maxBytes / 4;
    if (isTooMuch || this.#clock.monotonicMs() < this.#pausedUntilMs) {
      this.#options.onLines('dropped', 1);
      return;
    }
    this.#queue.push({ pool, line });
    this.#queuedBytes += bytes;
    this.#writing ??= this.#writeQueue().finally(() => (this.#writing = undefined));
  }

  /** Writes what waits, and closes the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
    await this.#file?.close().catch((error: unknown) => this.#failed(error));
  }

  async #writeQueue(): Promise<void> {
    // Let the passes of this moment end first: together they are one write.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) {
      const batch = this.#queue;
      this.#queue = [];
      this.#queuedBytes = 0;
      try {
        await this.#write(batch);
        this.#options.onLines('written', batch.length);
      } catch (error) {
        this.#options.onLines('dropped', batch.length);
        this.#failed(error);
      }
    }
  }

  async #write(batch: readonly Queued[]): Promise<void> {
    if (this.#file === undefined) await this.#start();
    let chunk = '';
    let bytes = this.#fileBytes;
    for (const queued of batch) {
      let text = this.#textOf(queued);
      if (bytes + Buffer.byteLength(text) > this.#options.maxBytes / 2) {
        await this.#append(chunk);
        await this.#rotate();
        chunk = '';
        bytes = this.#fileBytes;
        text = this.#textOf(queued);
      }
      chunk += text;
      bytes += Buffer.byteLength(text);
    }
    await this.#append(chunk);
  }

  #textOf({ pool, line }: Queued): string {
    if (this.#specs.get(pool.key) === pool.spec) return line;
    this.#specs.set(pool.key, pool.spec);
    return `${JSON.stringify({ kind: 'pool', pool: pool.key, spec: pool.spec })}\n${line}`;
  }

  async #start(): Promise<void> {
    this.#file = await open(this.#options.file, 'a');
    this.#fileBytes = (await this.#file.stat()).size;
    this.#specs.clear();
    // A line that was cut off by a failure or an end must not run into this one.
    const end = this.#fileBytes === 0 ? '' : '\n';
    await this.#append(
      `${end}${JSON.stringify({ kind: 'start', version: recordVersion, run: this.#run })}\n`,
    );
  }

  async #append(text: string): Promise<void> {
    if (text === '') return;
    const { bytesWritten } = (await this.#file?.write(text)) ?? { bytesWritten: 0 };
    this.#fileBytes += bytesWritten;
    const bytes = Buffer.byteLength(text);
    if (bytesWritten < bytes) throw new Error(`only ${bytesWritten} of ${bytes} bytes could be written`);
  }

  async #rotate(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    await rename(this.#options.file, `${this.#options.file}.1`);
    await this.#start();
  }

  #failed(error: unknown): void {
    this.#pausedUntilMs = this.#clock.monotonicMs() + pauseMs;
    const { file } = this.#options;
    this.#log.error({ err: error, file, pauseMs }, 'recording failed; passes go on, some are not recorded');
    const broken = this.#file;
    this.#file = undefined;
    broken?.close().catch(() => undefined); // It may be closed already.
  }
}
