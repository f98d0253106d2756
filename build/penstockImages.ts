import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ImageStore } from './imageStore.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };

/** Names of the images that `addPenstockImages` makes, with the version as tag. */
export const penstockImages = {
  operator: `localhost/penstock-operator:${version}`,
  worker: `localhost/penstock-worker:${version}`,
} as const;

/** Bundles the programs, and builds both targets of the Dockerfile. */
export function addPenstockImages(store: ImageStore): void {
  const { status } = spawnSync(process.execPath, [join(root, 'build/bundle.ts')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) throw new Error('the programs cannot be bundled; the reason is above');
  const base = store.addBase();
  for (const [target, name] of Object.entries(penstockImages)) {
    store.addDockerfile(name, join(root, 'Dockerfile'), root, { BASE_IMAGE: base }, target);
  }
}
