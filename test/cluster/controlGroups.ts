import { existsSync } from 'node:fs';
import { mkdir, readdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Place } from './place.ts';

const mounts = '/sys/fs/cgroup';

/** The one hierarchy of version 2, or each of version 1. */
async function hierarchies(): Promise<string[]> {
  if (existsSync(join(mounts, 'cgroup.controllers'))) return [mounts];
  return (await readdir(mounts)).map((name) => join(mounts, name));
}

/** What kubelet puts the groups of its pods below; it does not make it. */
export async function createControlGroups({ cgroup }: Place): Promise<void> {
  for (const hierarchy of await hierarchies()) await mkdir(join(hierarchy, cgroup), { recursive: true });
}

/** Their processes must have ended. */
export async function removeControlGroups({ cgroup }: Place): Promise<void> {
  for (const hierarchy of await hierarchies()) {
    const group = join(hierarchy, cgroup);
    if (!existsSync(group)) continue;
    const children = await readdir(group, { recursive: true, withFileTypes: true });
    const folders = children.filter((entry) => entry.isDirectory()).map((e) => join(e.parentPath, e.name));
    // The deepest first.
    for (const folder of [...folders.toSorted().toReversed(), group]) await remove(folder);
  }
}

/** The kernel may not be done with processes that have ended. */
async function remove(folder: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await rmdir(folder);
      return;
    } catch (error) {
      if (attempt === 100) throw error;
      await sleep(50);
    }
  }
}
