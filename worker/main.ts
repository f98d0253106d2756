import { runWorkerProgram } from './program.ts';

const [, , handlerPath] = process.argv;
if (handlerPath === undefined) {
  process.stderr.write('usage: node worker/main.ts HANDLER\n');
  process.exit(2);
}
// Handlers may leave timers and sockets open: the process ends when its work has.
process.exit(await runWorkerProgram(handlerPath));
