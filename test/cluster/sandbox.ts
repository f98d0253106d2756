/**
 * Namespaces of a cluster's own: network, mounts and processes. What it does reaches nothing outside of its folder, and
 * it ends as a whole, without a trace, when its first process is killed (docs/adr/0014).
 */
import { spawn } from 'node:child_process';
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PenstockError } from '#common/errors.ts';
import { serviceRange } from '../tools/controlPlane.ts';
import { inside, nodeAddress, programs } from './place.ts';
import type { Place } from './place.ts';

/**
 * Runs as process 1 of the namespaces. Kubelet would change these settings of the kernel for the whole machine; here it
 * changes copies.
 */
const prepare = `
set -eu
folder=$1; shift
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p ${inside} ${programs}
mount --bind "$folder" ${inside}
for program in "$@"; do
  touch "${programs}/\${program##*/}"
  mount --bind "$program" "${programs}/\${program##*/}"
done
for setting in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops \\
  kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
  [ -e "/proc/sys/$setting" ] || continue
  copy="/run/kernel-\${setting##*/}"
  cat "/proc/sys/$setting" > "$copy"
  mount --bind "$copy" "/proc/sys/$setting"
done
mount --bind ${inside}/var/log /var/log
mount --bind ${inside}/var/lib /var/lib
ip link set lo up
ip link add cni0 type bridge
ip address add ${nodeAddress}/24 dev cni0
ip link set cni0 up
ip route add ${serviceRange} dev cni0
exec -a "$0" ${programs}/pause
`;

/** Starts the first process, with these programs (paths on this machine) at hand. */
export async function createSandbox(place: Place, paths: readonly string[]): Promise<void> {
  for (const folder of ['logs', 'var/log', 'var/lib']) {
    await mkdir(join(place.folder, folder), { recursive: true });
  }
  const unshare = ['--net', '--mount', '--pid', '--fork', '--kill-child=SIGKILL', '--mount-proc'];
  const child = startLogged(place, 'sandbox', 'unshare', [
    ...unshare,
    ...['bash', '-c', prepare, place.mark, place.folder, ...paths],
  ]);
  await untilReady(place, 'sandbox', child, () => Promise.resolve(firstProcess(place) !== undefined));
}

/** The first process's id; undefined when there is none. */
export function firstProcess(place: Place): number | undefined {
  return processes().find(({ args }) => args.length === 1 && args[0] === place.mark)?.pid;
}

/** Starts one of its programs within, and waits until it is ready. It goes on when we have ended. */
export async function startWithin(
  place: Place,
  program: string,
  args: readonly string[],
  isReady: () => Promise<boolean>,
): Promise<void> {
  const path = program.startsWith('/') ? program : `${programs}/${program}`;
  const name = basename(program);
  const child = startLogged(place, name, 'nsenter', [...enter(place), '--mount', path, ...args]);
  await untilReady(place, name, child, isReady);
}

/** Starts a program of this machine that is within by its network alone, with a channel to it. */
export function startInNetwork(place: Place, name: string, command: readonly string[]): ChildProcess {
  return startLogged(place, name, 'nsenter', [...enter(place), ...command], 'ipc');
}

/** The command line before that of a program that shall run within. */
export const within = (place: Place): string[] => ['nsenter', ...enter(place), '--mount'];

function enter(place: Place): string[] {
  const pid = firstProcess(place);
  if (pid === undefined) throw new PenstockError('ClusterEnded', `the cluster ${place.name} does not run`);
  return ['--target', `${pid}`, '--net', '--pid'];
}

/** Programs that run within, by name; those of pods are left out. */
export function programsWithin(place: Place): ReadonlyMap<string, number> {
  const first = firstProcess(place);
  if (first === undefined) return new Map();
  const namespaces = (pid: number): string =>
    `${readLink(`/proc/${pid}/ns/pid`)} ${readLink(`/proc/${pid}/ns/net`)}`;
  const own = namespaces(first);
  return new Map(
    processes()
      .filter(({ pid }) => namespaces(pid) === own)
      .map(({ pid, args }) => [basename(args[0] ?? ''), pid]),
  );
}

/**
 * Ends everything that runs within: with the first process the kernel ends all, and takes mounts and interfaces away.
 * Its id is free again once that is done.
 */
export async function destroySandbox(place: Place): Promise<void> {
  for (let first = firstProcess(place); first !== undefined; first = firstProcess(place)) {
    kill(first);
    while (existsSync(`/proc/${first}`)) await sleep(20);
  }
  for (const { pid } of processes().filter(({ args }) => args.includes(place.mark))) kill(pid);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** A log of its own, an environment of its own, and nothing that ends it when we do. */
function startLogged(
  place: Place,
  name: string,
  command: string,
  args: readonly string[],
  channel: 'ipc' | 'ignore' = 'ignore',
): ChildProcess {
  const log = openSync(logOf(place, name), 'a');
  const options: SpawnOptions = {
    detached: true,
    stdio: ['ignore', log, log, channel],
    cwd: '/',
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/' },
  };
  const child = spawn(command, args, options);
  closeSync(log);
  child.unref();
  return child;
}

const logOf = (place: Place, name: string): string => join(place.folder, 'logs', `${name}.log`);

const startMs = 120_000;

async function untilReady(
  place: Place,
  name: string,
  child: ChildProcess,
  isReady: () => Promise<boolean>,
): Promise<void> {
  let failure = '';
  child.once('error', (error) => (failure = error.message));
  const endMs = performance.now() + startMs;
  while (!(await isReady().catch(() => false))) {
    if (child.exitCode !== null) failure = `it ended with ${child.exitCode}`;
    if (performance.now() > endMs) failure = `it is not ready after ${startMs / 1_000} s`;
    if (failure !== '') throw new PenstockError('ClusterFailed', await tellFailure(place, name, failure));
    await sleep(50);
  }
}

async function tellFailure(place: Place, name: string, failure: string): Promise<string> {
  const log = await readFile(logOf(place, name), 'utf8').catch(() => '');
  return `${name} did not start: ${failure}; end of its log:\n${log.slice(-2_000)}`;
}

type Process = { readonly pid: number; readonly args: readonly string[] };

function processes(): Process[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map((entry) => ({ pid: Number(entry), args: commandLine(entry) }));
}

function commandLine(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  } catch {
    return []; // It has ended meanwhile.
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
