import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Place } from './place.ts';
import { startInNetwork } from './sandbox.ts';

const program = fileURLToPath(new URL('./forward.ts', import.meta.url));

/**
 * Opens a port on this machine's loopback interface to an address in the cluster's network.
 *
 * @returns the port; it is open until the cluster ends.
 */
export async function openPort(place: Place, host: string, port: number): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const opened = (server.address() as AddressInfo).port; // It listens on TCP.
  const child = startInNetwork(place, `forward-${host}-${port}`, [
    ...[process.execPath, program, place.mark, host, `${port}`],
  ]);
  child.send('listen', server);
  await once(child, 'message');
  server.close(); // Ours; the child has its own.
  if (child.connected) child.disconnect();
  return opened;
}
