/**
 * `npm run crds`: writes the CustomResourceDefinitions, here and into the chart, which can only hold files of its own;
 * with `--check` it only compares, and fails on a difference.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { definitions, toYaml } from './definitions.ts';

const isCheck = process.argv.includes('--check');
for (const definition of definitions()) {
  const written = toYaml(definition);
  for (const folder of ['crds', 'charts/penstock/files/crds']) {
    const name = `${folder}/${definition.metadata.name}.yaml`;
    const file = fileURLToPath(new URL(`../${name}`, import.meta.url));
    if (!isCheck) writeFileSync(file, written);
    else if (readFileSync(file, 'utf8') !== written) {
      console.error(`${name} differs from its schema: run \`npm run crds\``);
      process.exitCode = 1;
    }
  }
}
