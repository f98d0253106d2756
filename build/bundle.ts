/**
 * `npm run build [-- FOLDER]`: what the images hold. Each program becomes a few ES modules that need nothing but Node,
 * in FOLDER, by default out/:
 *
 *     operator/main.mjs          the operator on Kubernetes
 *     worker/main.mjs HANDLER    the worker program
 *     worker/thread.mjs          what runs in its threads; the pool itself stays a package, as it starts a file of its own
 *     worker/intake.mjs          the intake, which takes jobs in by HTTP
 *     worker/index.mjs           `penstock/worker`, for handlers: it shares its code with the program
 *
 * Modules are split where the sources import dynamically: what main.mjs does before its import, as turning the compile
 * cache on, still happens before the rest is loaded. Handler modules are loaded by path at run time as before.
 */
import { readFileSync } from 'node:fs';
import { cp, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { requireForBundles } from './requireForBundles.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const folder = resolve(process.argv[2] ?? join(root, 'out'));
const { engines, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  engines: { node: string };
  version: string;
};

await bundle('operator', { main: 'operator/main.ts' });
await bundle('worker', {
  main: 'worker/main.ts',
  index: 'worker/index.ts',
  thread: 'worker/handle/threads/thread.ts',
  intake: 'worker/intake/main.ts',
});
for (const part of ['package.json', 'LICENSE', 'dist']) {
  await cp(join(root, 'node_modules/piscina', part), join(folder, 'worker/node_modules/piscina', part), {
    recursive: true,
    filter: (file) => !/\.(d\.ts|map)$/.test(file),
  });
}
// Handlers find it under the name that they import in the repository.
await writeFile(
  join(folder, 'worker/package.json'),
  `${JSON.stringify({ name: 'penstock', version, type: 'module', exports: { './worker': './index.mjs' } }, null, 2)}\n`,
);

async function bundle(name: string, entryPoints: Record<string, string>): Promise<void> {
  const outdir = join(folder, name);
  await rm(outdir, { recursive: true, force: true });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints,
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    external: ['piscina'],
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: `node${engines.node.replace(/^>=/, '')}`,
    // Readable, with the name of each source file above its lines: stack traces need no source maps, which Node would
    // parse at every start (docs/adr/0013).
    minifySyntax: true,
    legalComments: 'eof',
    banner: { js: requireForBundles },
    metafile: true,
    logLevel: 'warning',
  });
  const bytes = Object.values(metafile.outputs).reduce((sum, output) => sum + output.bytes, 0);
  console.log(`${outdir}: ${(bytes / 1_048_576).toFixed(1)} MB`);
}
