/**
 * `npm run crds`: writes the CustomResourceDefinitions; with `--check` it only compares, and fails on a difference.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { definitions, toYaml } from './definitions.ts';

const isCheck = process.argv.includes('--check');
for (const definition of definitions()) {
  const file = fileURLToPath(new URL(`./${definition.metadata.name}.yaml`, import.meta.url));
  const written = toYaml(definition);
  if (!isCheck) writeFileSync(file, written);
  else if (readFileSync(file, 'utf8') !== written) {
    console.error(`crds/${definition.metadata.name}.yaml differs from its schema: run \`npm run crds\``);
    process.exitCode = 1;
  }
}
