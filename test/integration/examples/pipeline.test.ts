import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, headers } from '@nats-io/transport-node';
import { PNG } from 'pngjs';
import { expect, test } from 'vitest';
import { fromRoot, penstock } from '../../builders/program.ts';
import { until } from '../../builders/until.ts';
import { startNatsServer } from '../../tools/natsServer.ts';

const images = 24;

test('three pools fetch, shrink and store, each from zero and back', async () => {
  await using nats = await startNatsServer();
  const connection = await connect({ servers: nats.url });
  const manager = await jetstreamManager(connection);
  const stages = { REQUESTS: 'fetch', PAGES: 'thumbnail', THUMBNAILS: 'store' };
  for (const [name, consumer] of Object.entries(stages)) {
    await manager.streams.add({ name, subjects: [`${name}.>`], retention: 'workqueue' });
    await manager.consumers.add(name, { durable_name: consumer, ack_policy: 'explicit' });
  }
  const page = PNG.sync.write(new PNG({ width: 300, height: 200 }));
  const site = createServer((_request, response) => response.end(page)).listen(0, '127.0.0.1');
  await once(site, 'listening');
  const host = `127.0.0.1:${(site.address() as AddressInfo).port}`; // It listens on TCP.
  const folder = await mkdtemp(join(tmpdir(), 'penstock-pipeline-'));
  try {
    const own = headers();
    own.set('host', host);
    for (let n = 0; n < images; n += 1) {
      const request = JSON.stringify({ url: `http://${host}/${n}.png` });
      await jetstream(connection).publish('REQUESTS.new', request, { headers: own });
    }
    await writeFile(
      join(folder, 'connection.yaml'),
      JSON.stringify({
        apiVersion: 'penstock.dev/v1alpha1',
        kind: 'NatsConnection',
        metadata: { name: 'nats' },
        spec: { servers: [nats.url] },
      }),
    );
    const files = ['-f', fromRoot('examples/policies/pipeline.yaml'), '-f', join(folder, 'connection.yaml')];
    await using operator = penstock(['local', '--json', ...files], { STORE_FOLDER: join(folder, 'stored') });
    const stored = async (): Promise<string[]> => readdir(join(folder, 'stored')).catch(() => []);
    await until(
      'all thumbnails',
      async () => (await stored()).filter((name) => /^\w+\.png$/.test(name)).length === images,
    );
    const [first = ''] = await stored();
    const thumbnail = PNG.sync.read(await readFile(join(folder, 'stored', first)));
    expect([thumbnail.width, thumbnail.height]).toEqual([64, 43]);
    for (const name of Object.keys(stages)) {
      await until(`${name} to be empty`, async () => (await manager.streams.info(name)).state.messages === 0);
    }
    expect((await manager.streams.info('THUMBNAILS')).state.last_seq).toBe(images);
    operator.child.kill('SIGTERM');
    expect(await operator.ended, operator.stderr()).toBe(0);
  } finally {
    site.closeAllConnections();
    site.close();
    await connection.close();
    await rm(folder, { recursive: true, force: true });
  }
});
