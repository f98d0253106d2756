import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { apiClient } from '../tools/apiClient.ts';
import type { ApiClient } from '../tools/apiClient.ts';
import { at } from '../tools/serverProcess.ts';
import type { Place } from './place.ts';
import { startInNetwork } from './sandbox.ts';

/** As `admin`, from this machine. */
export function connectTo(place: Place): ApiClient {
  const { clusters, users } = JSON.parse(readFileSync(place.kubeconfig, 'utf8')) as Kubeconfig;
  const { server, 'certificate-authority-data': ca } = at(clusters, 0).cluster;
  const certificate = Buffer.from(ca, 'base64').toString();
  return apiClient({
    url: server,
    certificate: () => Promise.resolve(certificate),
    token: at(users, 0).user.token,
  });
}

/** As `kubeconfig` writes it. */
type Kubeconfig = {
  readonly clusters: readonly {
    readonly cluster: { readonly server: string; readonly 'certificate-authority-data': string };
  }[];
  readonly users: readonly { readonly user: { readonly token: string } }[];
};

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
