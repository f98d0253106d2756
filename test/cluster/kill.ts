import { readFileSync, readdirSync } from 'node:fs';
import { kubernetes } from './suite.ts';

type Pod = { metadata: { uid: string } };

/**
 * Kills what runs in a pod as the kernel does when memory is short: without a word before.
 *
 * @throws Error when nothing runs in it.
 */
export async function killProcess(pod: string, namespace: string): Promise<void> {
  const { metadata } = await kubernetes.get<Pod>(`/api/v1/namespaces/${namespace}/pods/${pod}`);
  const pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && isOfPod(entry, metadata.uid));
  if (pids.length === 0) throw new Error(`nothing runs in the pod ${namespace}/${pod}`);
  for (const pid of pids) process.kill(Number(pid), 'SIGKILL');
}

/** Its pause process is spared: it would take the pod's network along. */
function isOfPod(pid: string, uid: string): boolean {
  try {
    const isIn = readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(uid);
    return isIn && !readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('/usr/bin/pause');
  } catch {
    return false; // It has ended meanwhile.
  }
}
