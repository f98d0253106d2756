/**
 * `npm run images [-- FOLDER]`: builds the Dockerfile's two targets, and the demo's worker, without a registry and without Docker, and leaves
 * them as archives in FOLDER, by default out/images/. Needs root and Debian's `buildah`; leaves nothing else behind.
 *
 * The base image is made of the Node that runs this: its binary, the libraries that it is linked to, the CA
 * certificates, and a user without rights.
 */
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ImageStore } from './imageStore.ts';
import { addPenstockImages, penstockImages } from './penstockImages.ts';

const folder = resolve(process.argv[2] ?? fileURLToPath(new URL('../out/images', import.meta.url)));
using store = new ImageStore();
addPenstockImages(store);
for (const [target, name] of Object.entries(penstockImages)) {
  const archive = join(folder, `penstock-${target}.tar`);
  store.save(name, archive);
  console.log(`${name}: ${archive}`);
}
