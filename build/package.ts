/**
 * The end of `npm pack`: puts the library for job authors in the place of the tarball that npm has made of the
 * repository (docs/adr/0036). It holds `penstock/worker` and `penstock/worker/testing` with their types, and the two
 * programs. Its argument is the folder of the tarball; empty, it is this one.
 *
 * The code is bundled, so that a start loads few files; dependencies stay packages of their own. The types are those
 * of the sources, file by file.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../', import.meta.url));
const target = resolve(process.argv[2] ?? '');
const folder = join(root, 'out/package');

type Manifest = {
  readonly version: string;
  readonly license: string;
  readonly engines: { readonly node: string };
  readonly dependencies: Readonly<Record<string, string>>;
};
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest; // Our own.

const entries = {
  index: 'worker/index.ts',
  testing: 'worker/testing/index.ts',
  main: 'worker/main.ts',
  intake: 'worker/intake/main.ts',
  thread: 'worker/handle/threads/thread.ts',
};

rmSync(folder, { recursive: true, force: true });
const imported = await bundleCode();
writeTypes();
writeManifest(imported);
copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
copyFileSync(join(root, 'docs/package.md'), join(folder, 'README.md'));
run('npm', 'pack', folder, '--pack-destination', target, '--loglevel=error');

/** @returns the packages that the code imports. */
async function bundleCode(): Promise<ReadonlySet<string>> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: entries,
    outdir: join(folder, 'code'),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    packages: 'external',
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: `node${manifest.engines.node.replace(/^>=/, '')}`,
    metafile: true,
    logLevel: 'warning',
  });
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports);
  const paths = imports.filter(({ external, path }) => external === true && !path.startsWith('node:'));
  return new Set(
    paths.map(({ path }) =>
      path
        .split('/')
        .slice(0, path.startsWith('@') ? 2 : 1)
        .join('/'),
    ),
  );
}

function writeTypes(): void {
  const types = join(folder, 'types');
  run('tsc', '-p', join(root, 'build/tsconfig.package.json'), '--outDir', types);
  for (const name of globSync('**/*.d.ts', { cwd: types })) {
    const file = join(types, name);
    const toCommon = relative(dirname(file), join(types, 'common'));
    const text = readFileSync(file, 'utf8')
      .replaceAll(/(['"])#common\//g, `$1${toCommon.startsWith('.') ? '' : './'}${toCommon}/`)
      .replaceAll(/(['"]\.{1,2}\/[^'"]*)\.ts(['"])/g, '$1.js$2');
    writeFileSync(file, text);
  }
}

function writeManifest(imported: ReadonlySet<string>): void {
  const { version, license, engines } = manifest;
  const entry = (name: keyof typeof entries): object => ({
    types: `./types/${entries[name].replace(/\.ts$/, '.d.ts')}`,
    default: `./code/${name}.mjs`,
  });
  const dependencies = [...imported].sort().map((name) => {
    const range = manifest.dependencies[name];
    if (range === undefined) throw new Error(`${name} is imported, and no dependency of package.json`);
    return [name, range];
  });
  const content = {
    name: 'penstock',
    version,
    description: 'Worker runtime for queue workers on NATS JetStream',
    license,
    type: 'module',
    engines,
    exports: { './worker': entry('index'), './worker/testing': entry('testing') },
    bin: { 'penstock-worker': './code/main.mjs', 'penstock-intake': './code/intake.mjs' },
    files: ['code', 'types'],
    dependencies: Object.fromEntries(dependencies) as Record<string, string>,
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(content, null, 2)}\n`);
}

function run(program: string, ...args: string[]): void {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd: root, encoding: 'utf8' });
  if (status !== 0) {
    throw new Error(
      `${program} ${args.join(' ')} failed with ${status ?? String(error)}:\n${stdout}${stderr}`,
    );
  }
  process.stdout.write(stdout);
}
