import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ImageStore } from '../../build/imageStore.ts';
import { addPenstockImages, penstockImages } from '../../build/penstockImages.ts';
import { programPath } from '../tools/serverProcess.ts';
import { pauseImage } from './node.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = join(root, 'out/images');

/** By name of the archive; `nats` is the pinned server. */
export const images = {
  ...penstockImages,
  nats: 'localhost/nats:pinned',
  pause: pauseImage,
} as const;

/**
 * Builds what the sources of today make, unless that is there already.
 *
 * @returns paths of the archives.
 */
export function ensureImages(): string[] {
  const stamp = join(folder, 'cluster.stamp');
  const archives = Object.keys(images).map((name) => join(folder, `cluster-${name}.tar`));
  const wanted = fingerprint();
  const isThere = archives.every(existsSync) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted;
  if (!isThere) {
    buildImages();
    writeFileSync(stamp, wanted);
  }
  return archives;
}

function buildImages(): void {
  using store = new ImageStore();
  addPenstockImages(store);
  store.addPrograms({
    name: images.nats,
    programs: [programPath('PENSTOCK_NATS_SERVER')],
    entrypoint: ['/usr/bin/nats-server'],
  });
  store.addPrograms({
    name: images.pause,
    programs: [programPath('PENSTOCK_PAUSE')],
    entrypoint: ['/usr/bin/pause'],
  });
  for (const [name, image] of Object.entries(images)) store.save(image, join(folder, `cluster-${name}.tar`));
}

const sources = [
  'operator',
  'worker',
  'common',
  'crds',
  'build',
  'examples/handlers',
  'Dockerfile',
  'package-lock.json',
];

/** Of everything that ends up in an image. */
function fingerprint(): string {
  const hash = createHash('sha256').update(process.version);
  const programs = ['PENSTOCK_NATS_SERVER', 'PENSTOCK_PAUSE'].map(programPath);
  for (const file of [...sources.flatMap(filesOf), ...programs]) hash.update(file).update(readFileSync(file));
  return hash.digest('hex');
}

function filesOf(source: string): string[] {
  const path = join(root, source);
  if (statSync(path).isFile()) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}
