import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { PenstockError } from '#common/errors.ts';

/** Debian's name of the package → the program or file in it that is used. */
const packages: Readonly<Record<string, string>> = {
  buildah: 'buildah',
  conntrack: 'conntrack',
  containerd: 'containerd',
  'containernetworking-plugins': '/usr/lib/cni/bridge',
  iproute2: 'ip',
  iptables: 'iptables',
  mount: 'mount',
  runc: 'runc',
  'util-linux': 'nsenter',
};

/**
 * Makes sure of what a node needs of this machine. On Debian missing packages are installed, which is said.
 *
 * @throws PenstockError `PrerequisitesMissing`, naming all that is missing and what would help.
 */
export function ensurePrerequisites(say: (line: string) => void): void {
  const obstacles = findObstacles();
  if (obstacles.length > 0) throw missing(obstacles);
  const lacking = findLackingPackages();
  if (lacking.length === 0) return;
  if (!isDebian()) {
    throw missing([
      `these programs, which Debian has in packages of these names: ${lacking.join(', ')}; install them`,
    ]);
  }
  say(`installing Debian's ${lacking.join(', ')}`);
  installPackages(lacking);
  const still = findLackingPackages();
  if (still.length > 0)
    throw missing([`of ${still.join(', ')} what was expected, also after installing them`]);
}

const missing = (what: readonly string[]): PenstockError =>
  new PenstockError('PrerequisitesMissing', `a cluster cannot run here, missing: ${what.join('; ')}`);

/** What no package helps against. */
function findObstacles(): string[] {
  if (process.platform !== 'linux') return [`Linux (this is ${process.platform})`];
  if (process.getuid?.() !== 0) return ['the rights of root: run it with `sudo`'];
  const { status, stderr } = spawnSync('unshare', ['--net', '--mount', '--pid', '--fork', 'true'], {
    encoding: 'utf8',
  });
  if (status === 0) return [];
  return [`the right to make namespaces, as in a container without privileges (unshare: ${stderr.trim()})`];
}

function findLackingPackages(): string[] {
  return Object.entries(packages)
    .filter(([, file]) => !isThere(file))
    .map(([name]) => name);
}

function isThere(file: string): boolean {
  if (file.startsWith('/')) return existsSync(file);
  return ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'].some((folder) =>
    existsSync(`${folder}/${file}`),
  );
}

function isDebian(): boolean {
  return (
    existsSync('/etc/os-release') && /^ID(_LIKE)?=.*debian/m.test(readFileSync('/etc/os-release', 'utf8'))
  );
}

function installPackages(names: readonly string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update'], ['install', '--yes', '--no-install-recommends', ...names]]) {
    const { status, stdout, stderr } = spawnSync('apt-get', args, { encoding: 'utf8', env });
    if (status !== 0) {
      throw missing([
        `${names.join(', ')}: \`apt-get ${args.join(' ')}\` failed:\n${`${stdout}${stderr}`.slice(-2_000)}`,
      ]);
    }
  }
}
