/**
 * `npm run images [-- FOLDER]`: builds the Dockerfile's two targets without a registry and without Docker, and leaves
 * them as archives in FOLDER, by default out/images/. Needs root and Debian's `buildah`; leaves nothing else behind.
 *
 * The base image is made of the Node that runs this: its binary, the libraries that it is linked to, the CA
 * certificates, and a user without rights.
 */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const folder = resolve(process.argv[2] ?? join(root, 'out/images'));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
const nonRoot = 65_532;
const base = 'localhost/penstock-base';
const caCertificates = '/etc/ssl/certs/ca-certificates.crt';

if (process.getuid?.() !== 0) throw new Error('images are built as root: run `sudo npm run images`');
if (spawnSync('buildah', ['--version']).status !== 0) {
  throw new Error('buildah is missing: on Debian, `apt-get install buildah`');
}

const work = mkdtempSync(join(tmpdir(), 'penstock-images-'));
try {
  run(process.execPath, join(root, 'build/bundle.ts'));
  buildBase();
  mkdirSync(folder, { recursive: true });
  for (const target of ['operator', 'worker']) buildTarget(target);
} finally {
  rmSync(work, { recursive: true, force: true });
}

function buildBase(): void {
  const files = join(work, 'base');
  for (const [from, to] of [
    [process.execPath, '/usr/bin/node'],
    [caCertificates, caCertificates],
    ...sharedLibraries(process.execPath).map((library) => [library, library]),
  ] as const) {
    const target = join(files, to);
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(realpathSync(from), target);
  }
  const home = `nonroot:x:${nonRoot}:${nonRoot}::/home/nonroot:/sbin/nologin\n`;
  writeFileSync(join(files, 'etc/passwd'), `root:x:0:0::/root:/sbin/nologin\n${home}`);
  writeFileSync(join(files, 'etc/group'), `root:x:0:\nnonroot:x:${nonRoot}:\n`);

  const container = buildah('from', 'scratch');
  buildah('copy', container, files, '/');
  const mounted = buildah('mount', container);
  mkdirSync(join(mounted, 'tmp'), { mode: 0o1777 });
  run('chmod', '1777', join(mounted, 'tmp'));
  run('install', '-d', '-o', `${nonRoot}`, '-g', `${nonRoot}`, join(mounted, 'home/nonroot'));
  buildah('commit', '--rm', container, base);
}

function buildTarget(target: string): void {
  const image = `localhost/penstock-${target}:${version}`;
  buildah('build', '--build-arg', `BASE_IMAGE=${base}`, '--target', target, '--tag', image, root);
  const archive = join(folder, `penstock-${target}.tar`);
  rmSync(archive, { force: true }); // An archive is never added to.
  buildah('push', image, `docker-archive:${archive}:${image}`);
  console.log(`${image}: ${archive}`);
}

/** Paths of all libraries that a program is linked to, the loader among them. */
function sharedLibraries(program: string): string[] {
  return [...run('ldd', program).matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path ?? '');
}

/** With a store of its own, which the machine's other images know nothing of. */
function buildah(...args: string[]): string {
  const [command = '', ...rest] = args;
  const store = ['--root', join(work, 'store'), '--runroot', join(work, 'run'), '--storage-driver', 'vfs'];
  const isolation = command === 'build' || command === 'from' ? ['--isolation', 'chroot'] : [];
  return run('buildah', ...store, command, ...isolation, ...rest);
}

/** @returns what it wrote to stdout. */
function run(program: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status === 0) return stdout.trim();
  throw new Error(`${program} ${args.join(' ')} failed with ${status ?? String(error)}:\n${stderr}`);
}
