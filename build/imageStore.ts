import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const nonRoot = 65_532;
const base = 'localhost/penstock-base';
const caCertificates = '/etc/ssl/certs/ca-certificates.crt';

export type ProgramImage = {
  readonly name: string;
  /** Paths of the programs on this machine; each comes to lie under /usr/bin, with the libraries that it needs. */
  readonly programs: readonly string[];
  /** What the image runs. None is a base for others. */
  readonly entrypoint?: readonly string[];
};

/**
 * Builds images without a registry and without Docker, by Debian's `buildah`, in a store of its own that the machine's
 * other images know nothing of. Nothing of it is left after disposal but what was saved.
 *
 * @throws Error that says what is missing, or what buildah said.
 */
export class ImageStore implements Disposable {
  readonly #work: string;

  constructor() {
    if (process.getuid?.() !== 0) throw new Error('images are built as root: run it with `sudo`');
    if (spawnSync('buildah', ['--version']).status !== 0) {
      throw new Error('buildah is missing: on Debian, `apt-get install buildah`');
    }
    this.#work = mkdtempSync(join(tmpdir(), 'penstock-images-'));
  }

  /** What the Dockerfiles are built on: the Node that runs this, CA certificates, and a user without rights. */
  addBase(): string {
    this.addPrograms({ name: base, programs: [process.execPath] });
    return base;
  }

  /** An image of programs of this machine, for the user 65532. */
  addPrograms({ name, programs, entrypoint = [] }: ProgramImage): void {
    const files = join(this.#work, 'files');
    for (const program of programs) {
      const target = join('/usr/bin', program.slice(program.lastIndexOf('/') + 1));
      copyInto(files, program, target);
      for (const library of sharedLibraries(program)) copyInto(files, library, library);
    }
    copyInto(files, caCertificates, caCertificates);
    const home = `nonroot:x:${nonRoot}:${nonRoot}::/home/nonroot:/sbin/nologin\n`;
    writeInto(files, 'etc/passwd', `root:x:0:0::/root:/sbin/nologin\n${home}`);
    writeInto(files, 'etc/group', `root:x:0:\nnonroot:x:${nonRoot}:\n`);

    const container = this.#buildah('from', 'scratch');
    this.#buildah('copy', container, files, '/');
    const mounted = this.#buildah('mount', container);
    mkdirSync(join(mounted, 'tmp'), { mode: 0o1777 });
    run('chmod', '1777', join(mounted, 'tmp'));
    run('install', '-d', '-o', `${nonRoot}`, '-g', `${nonRoot}`, join(mounted, 'home/nonroot'));
    this.#buildah('config', '--entrypoint', JSON.stringify(entrypoint), '--user', `${nonRoot}`, container);
    this.#buildah('commit', '--rm', container, name);
    rmSync(files, { recursive: true });
  }

  /** @param args build arguments, by name. */
  addDockerfile(
    name: string,
    file: string,
    context: string,
    args: Readonly<Record<string, string>>,
    target = '',
  ): void {
    const given = Object.entries(args).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`]);
    const targeted = target === '' ? [] : ['--target', target];
    this.#buildah('build', '--file', file, ...given, ...targeted, '--tag', name, context);
  }

  /** Writes an image as an archive that Docker and containerd read. */
  save(name: string, archive: string): void {
    mkdirSync(dirname(archive), { recursive: true });
    rmSync(archive, { force: true }); // An archive is never added to.
    this.#buildah('push', name, `docker-archive:${archive}:${name}`);
  }

  [Symbol.dispose](): void {
    rmSync(this.#work, { recursive: true, force: true });
  }

  #buildah(...args: string[]): string {
    const [command = '', ...rest] = args;
    const [root, runRoot] = [join(this.#work, 'store'), join(this.#work, 'run')];
    const store = ['--root', root, '--runroot', runRoot, '--storage-driver', 'vfs'];
    const isolation = command === 'build' || command === 'from' ? ['--isolation', 'chroot'] : [];
    return run('buildah', ...store, command, ...isolation, ...rest);
  }
}

function copyInto(folder: string, from: string, to: string): void {
  const target = join(folder, to);
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(realpathSync(from), target);
}

function writeInto(folder: string, path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

/** Paths of all libraries that a program is linked to, the loader among them; none when it is linked statically. */
function sharedLibraries(program: string): string[] {
  const { stdout } = spawnSync('ldd', [program], { encoding: 'utf8' });
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path ?? '');
}

/** @returns what it wrote to stdout. */
function run(program: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status === 0) return stdout.trim();
  throw new Error(`${program} ${args.join(' ')} failed with ${status ?? String(error)}:\n${stderr}`);
}
