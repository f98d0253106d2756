import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { fromRoot, run } from '../builders/program.ts';
import { until } from '../builders/until.ts';
import { bringDown, readStatus } from './cluster.ts';
import { placeOf } from './place.ts';

const place = placeOf('lifecycle');
afterEach(() => bringDown(place));

/** As bootstrap.mjs has set it for us. */
const environment = Object.fromEntries(
  Object.entries(process.env).flatMap(([name, value]) =>
    name.startsWith('PENSTOCK_') && value !== undefined ? [[name, value]] : [],
  ),
);
const cluster = (command: string): ReturnType<typeof run> =>
  run(fromRoot('test/cluster/main.ts'), ['--name', place.name, command], environment);

const interfaces = '/sys/class/net';
const interfacesBefore = readdirSync(interfaces);

/** What a cluster could leave on the machine, as far as it can be told from what others do there. */
const traces = (): string[] => [
  ...processesOf(place.folder),
  ...readdirSync('/sys/fs/cgroup', { withFileTypes: true })
    .map(({ name }) => join('/sys/fs/cgroup', name, place.cgroup))
    .filter(existsSync),
  ...readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(place.folder)),
  ...readdirSync(interfaces).filter((name) => !interfacesBefore.includes(name)),
  ...[place.folder, join('/sys/fs/cgroup', place.cgroup)].filter(existsSync),
];

function processesOf(folder: string): string[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      } catch {
        return ''; // It has ended meanwhile.
      }
    })
    .filter((command) => command.includes(folder));
}

test('what a killed `up` has left is seen, and taken away by `down`', async () => {
  {
    await using up = cluster('up');
    await until('the API server to be started', () => up.stderr().includes('control plane'));
    up.child.kill('SIGKILL');
    await up.ended;
  }
  expect(readStatus(place).state).toBe('broken');
  expect(traces().length).toBeGreaterThan(3);

  await using down = cluster('down');
  expect(await down.ended, down.stderr()).toBe(0);
  expect(readStatus(place).state).toBe('absent');
  expect(traces()).toEqual([]);
});
