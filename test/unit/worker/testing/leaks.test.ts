import { EventEmitter, once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { expectNoLeaks } from '../../../../worker/testing/leaks.ts';

/** What a test leaves open on purpose, to be closed at its end. */
function litter(): AsyncDisposable & { add(close: () => void): void } {
  const closers: (() => void)[] = [];
  return {
    add: (close) => void closers.push(close),
    async [Symbol.asyncDispose]() {
      for (const close of closers) close();
      await delay(0);
    },
  };
}

async function listen(): Promise<AsyncDisposable & { port: number }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // A TCP server that listens has one.
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((closed) => server.close(closed));
    },
  };
}

describe('a run that leaves behind', () => {
  test('a timer fails, and the place is named', async () => {
    await using left = litter();
    const leak = (): void => {
      const timer = setInterval(() => undefined, 60_000);
      left.add(() => clearInterval(timer));
    };
    await expect(expectNoLeaks(leak, { settleMs: 20 })).rejects.toThrow(
      /after 5 runs there are left:\n {2}5 × timer, opened at leak .*leaks\.test\.ts/,
    );
  });

  test('a socket fails', async () => {
    await using server = await listen();
    await using left = litter();
    const leak = async (): Promise<void> => {
      const socket = connect(server.port, '127.0.0.1');
      left.add(() => socket.destroy());
      await once(socket, 'connect');
    };
    await expect(expectNoLeaks(leak, { runs: 3, settleMs: 20 })).rejects.toThrow(/\d × socket, opened/);
  });

  test('a listener of the process, or of an emitter that is watched, fails', async () => {
    const bus = new EventEmitter();
    const onExit = (): void => undefined;
    const leak = (): void => {
      bus.on('change', () => undefined);
      process.on('beforeExit', onExit);
    };
    try {
      await expect(expectNoLeaks(leak, { runs: 2, settleMs: 20, emitters: { bus } })).rejects.toThrow(
        /2 × listener of 'beforeExit' on process\n {2}2 × listener of 'change' on bus/,
      );
    } finally {
      process.removeAllListeners('beforeExit');
    }
  });
});

describe('no leak is', () => {
  test('what is closed again, if only a little later', async () => {
    await using server = await listen();
    const run = async (): Promise<void> => {
      const socket = connect(server.port, '127.0.0.1');
      await once(socket, 'connect');
      setTimeout(() => socket.destroy(), 20);
    };
    await expectNoLeaks(run);
  });

  test('what a pool opens once and keeps', async () => {
    await using server = await listen();
    await using left = litter();
    let pooled: Socket | undefined;
    let runs = 0;
    await expectNoLeaks(async () => {
      runs += 1;
      // The pool opens its second connection in the middle of the runs that are compared.
      if (runs !== 1 && runs !== 3) return;
      pooled = connect(server.port, '127.0.0.1');
      const socket = pooled;
      left.add(() => socket.destroy());
      await once(socket, 'connect');
    });
    expect(pooled?.destroyed).toBe(false);
  });
});

test('a run that fails fails with its own error', async () => {
  await expect(
    expectNoLeaks(() => {
      throw new Error('the job is wrong');
    }),
  ).rejects.toThrow('the job is wrong');
});
