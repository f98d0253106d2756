import { createHook } from 'node:async_hooks';
import { setTimeout as delay } from 'node:timers/promises';

const defaultRuns = 5;
const defaultSettleMs = 500;
const pollMs = 10;

/** What stays open until somebody closes it, by the names that async_hooks has for it. */
const kinds: Readonly<Record<string, string>> = {
  Timeout: 'timer',
  TCPWRAP: 'socket',
  TLSWRAP: 'TLS socket',
  PIPEWRAP: 'pipe or Unix socket',
  TCPSERVERWRAP: 'server',
  PIPESERVERWRAP: 'server on a pipe or Unix socket',
  UDPWRAP: 'UDP socket',
  PROCESSWRAP: 'child process',
  WORKER: 'worker thread',
  MESSAGEPORT: 'message port',
  FSEVENTWRAP: 'file watcher',
  STATWATCHER: 'file watcher',
  SIGNALWRAP: 'signal handler',
};

type Emitter = {
  eventNames(): readonly (string | symbol)[];
  listenerCount(event: string | symbol): number;
};

export type LeakOptions = {
  /** Runs that are compared, after one that may fill pools and caches. Default 5. */
  readonly runs?: number;
  /** How long what was opened may take to close after the last run, milliseconds. Default 500. */
  readonly settleMs?: number;
  /** Emitters whose listeners are counted, beside the process. */
  readonly emitters?: Readonly<Record<string, Emitter>>;
};

type Opened = { readonly kind: string; readonly where: string };

/**
 * Runs something several times, and fails when each run leaves a timer, a socket, a listener or the like behind. What
 * a pool keeps open does not grow with the runs, and is no leak.
 *
 *   await expectNoLeaks(() => run(handler, job));
 *
 * @throws Error `LeakError`, with the kind, the number, and where in the code it was opened.
 */
export async function expectNoLeaks(run: () => unknown, options: LeakOptions = {}): Promise<void> {
  const { runs = defaultRuns, settleMs = defaultSettleMs, emitters = {} } = options;
  await run();
  const listeners = new ListenerCounts({ process, ...emitters });
  using resources = new OpenResources();
  for (let n = 0; n < runs; n += 1) await run();
  resources.stopRecording();
  const leaks = (): string[] => [...resources.leaks(runs), ...listeners.leaks(runs)];
  // What is closed by a callback of its own gets the time for that.
  for (let waitedMs = 0; leaks().length > 0 && waitedMs < settleMs; waitedMs += pollMs) await delay(pollMs);
  const left = leaks();
  if (left.length === 0) return;
  const error = new Error(`after ${runs} runs there are left:\n  ${left.join('\n  ')}`);
  error.name = 'LeakError';
  throw error;
}

/** Timers, handles and threads that were opened since, and are open now. */
class OpenResources implements Disposable {
  readonly #open = new Map<number, Opened>();
  #isRecording = true;
  readonly #hook = createHook({
    init: (id, type) => {
      const kind = kinds[type];
      if (kind !== undefined && this.#isRecording) this.#open.set(id, { kind, where: callSite() });
    },
    destroy: (id) => {
      this.#open.delete(id);
    },
  });

  constructor() {
    this.#hook.enable();
  }

  /** What is opened from now on is ours; what is closed still counts. */
  stopRecording(): void {
    this.#isRecording = false;
  }

  /** One line for each place in the code that has left at least one thing open per run. */
  leaks(runs: number): string[] {
    const counts = new Map<string, number>();
    for (const { kind, where } of this.#open.values()) {
      const line = `${kind}, opened ${where}`;
      counts.set(line, (counts.get(line) ?? 0) + 1);
    }
    return [...counts].filter(([, count]) => count >= runs).map(([line, count]) => `${count} × ${line}`);
  }

  [Symbol.dispose](): void {
    this.#hook.disable();
  }
}

class ListenerCounts {
  readonly #emitters: Readonly<Record<string, Emitter>>;
  readonly #before: ReadonlyMap<string, number>;

  constructor(emitters: Readonly<Record<string, Emitter>>) {
    this.#emitters = emitters;
    this.#before = this.#count();
  }

  leaks(runs: number): string[] {
    return [...this.#count()]
      .map(([name, count]) => [name, count - (this.#before.get(name) ?? 0)] as const)
      .filter(([, more]) => more >= runs)
      .map(([name, more]) => `${more} × listener of ${name}`);
  }

  #count(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const [name, emitter] of Object.entries(this.#emitters)) {
      for (const event of emitter.eventNames()) {
        counts.set(`'${event.toString()}' on ${name}`, emitter.listenerCount(event));
      }
    }
    return counts;
  }
}

/** The line of the job's own code, or the nearest that there is. */
function callSite(): string {
  const frames = (new Error().stack ?? '').split('\n').slice(1);
  const outside = frames.filter((frame) => !frame.includes(import.meta.filename) && !frame.includes('node:'));
  const own = outside.find((frame) => !frame.includes('/node_modules/')) ?? outside[0];
  return own?.trim() ?? 'by Node itself';
}
