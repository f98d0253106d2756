import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import type { ImageStore } from './imageStore.ts';
import { requireForBundles } from './requireForBundles.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };

/** Names of the images that `addPenstockImages` makes, with the version as tag. */
export const penstockImages = {
  operator: `localhost/penstock-operator:${version}`,
  worker: `localhost/penstock-worker:${version}`,
  /** The worker with the demo's handler. */
  demo: `localhost/penstock-demo:${version}`,
} as const;

/** Bundles the programs, and builds the Dockerfile's targets and that of the demo's handler. */
export function addPenstockImages(store: ImageStore): void {
  const { status } = spawnSync(process.execPath, [join(root, 'build/bundle.ts')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) throw new Error('the programs cannot be bundled; the reason is above');
  const base = store.addBase();
  for (const target of ['operator', 'worker'] as const) {
    const file = join(root, 'Dockerfile');
    store.addDockerfile(penstockImages[target], file, root, { BASE_IMAGE: base }, target);
  }
  const handlers = join(root, 'examples/handlers');
  const args = { WORKER_IMAGE: penstockImages.worker };
  store.addDockerfile(penstockImages.demo, join(handlers, 'Dockerfile'), bundleHandler(handlers), args);
}

/** @returns a folder with the demo's handler in one file, with all that it imports but the worker. */
function bundleHandler(handlers: string): string {
  const folder = join(root, 'out/demo');
  buildSync({
    absWorkingDir: root,
    entryPoints: [join(handlers, 'generate-tokens.ts')],
    outfile: join(folder, 'handler.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['penstock/worker'],
    banner: { js: requireForBundles },
    logLevel: 'warning',
  });
  return folder;
}
