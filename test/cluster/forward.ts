/**
 * `forward.ts MARK HOST PORT`: a process in a cluster's network that carries connections to an address there. The
 * listening socket comes from the parent, and stays in the network that it was opened in.
 */
import { connect } from 'node:net';
import type { Server, Socket } from 'node:net';

const [, , , host = '', port = ''] = process.argv;

process.once('message', (_, handle) => {
  const server = handle as Server; // What startForward sends.
  server.on('connection', (near: Socket) => {
    const far = connect(Number(port), host);
    near.pipe(far).pipe(near);
    // Either end may go at any time; then the other goes, too.
    near.on('error', () => far.destroy()).on('close', () => far.destroy());
    far.on('error', () => near.destroy()).on('close', () => near.destroy());
  });
  process.send?.('ready', () => process.disconnect());
});
