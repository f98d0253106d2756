import { connect } from '@nats-io/transport-node';
import { jetstreamManager } from '@nats-io/jetstream';
import { expect, test } from 'vitest';
import { startNatsServer } from '../../../worker/testing/index.ts';
import { programPath } from '../../tools/serverProcess.ts';

test('a test of a job author gets a server with JetStream, and leaves none behind', async () => {
  let url: string;
  {
    await using nats = await startNatsServer({ program: programPath('PENSTOCK_NATS_SERVER') });
    ({ url } = nats);
    const connection = await connect({ servers: url });
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name: 'JOBS', subjects: ['JOBS.>'] });
    expect((await manager.streams.info('JOBS')).config.name).toBe('JOBS');
    await connection.close();
  }
  await expect(connect({ servers: url, reconnect: false })).rejects.toThrow();
});

test('a program that is not there, or is no server, is named', async () => {
  await expect(startNatsServer({ program: '/nowhere/nats-server' })).rejects.toMatchObject({
    code: 'NatsServerNotFound',
    message: expect.stringContaining('install nats-server 2.12.3 or later') as string,
  });
  await expect(startNatsServer({ program: '/bin/false' })).rejects.toMatchObject({
    code: 'NatsServerFailed',
  });
});
