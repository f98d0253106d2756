import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Logger } from '#common/log.ts';

/** The operator's end of the pipe to the reaper (reaper.ts), which it keeps running and informed. */
export class ReaperLink implements Disposable {
  readonly #log: Logger;
  readonly #graceSecondsByGroup = new Map<number, number>();
  #reaper: ChildProcess | undefined;
  #isDisposed = false;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Starts the reaper; to be called before the first replica, so that there is no moment without it. */
  start(): void {
    const path = fileURLToPath(new URL('./reaper.ts', import.meta.url));
    const reaper = spawn(process.execPath, [path], { stdio: ['pipe', 'ignore', 'inherit'], detached: true });
    this.#reaper = reaper;
    // A write to a reaper that just died fails; its exit is what we act on.
    reaper.stdin.on('error', () => undefined);
    reaper.once('error', (error) =>
      this.#log.error({ err: error }, 'the reaper of local replicas did not start'),
    );
    reaper.once('exit', (code, signal) => {
      if (this.#isDisposed) return;
      this.#log.warn({ code, signal }, 'the reaper of local replicas ended; starting it again');
      this.start();
    });
    for (const [group, graceSeconds] of this.#graceSecondsByGroup) this.#say(`+${group} ${graceSeconds}`);
  }

  add(group: number, graceSeconds: number): void {
    this.#graceSecondsByGroup.set(group, graceSeconds);
    this.#say(`+${group} ${graceSeconds}`);
  }

  remove(group: number): void {
    this.#graceSecondsByGroup.delete(group);
    this.#say(`-${group}`);
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#reaper?.stdin?.end();
  }

  #say(line: string): void {
    this.#reaper?.stdin?.write(`${line}\n`);
  }
}
