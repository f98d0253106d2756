import { readFileSync } from 'node:fs';
import { isMap, isScalar, parseDocument } from 'yaml';
import type { YAMLMap } from 'yaml';

/** What a chart can be told: path, default, and the comment above it in values.yaml. */
export function chartValues(file: URL): string[][] {
  const document = parseDocument(readFileSync(file, 'utf8'));
  if (!isMap(document.contents)) throw new Error(`${file.pathname} holds no map`);
  return rows(document.contents, '', document.commentBefore);
}

/** @param comment above the map: the parser gives it to the map, and it is meant for its first field. */
function rows(map: YAMLMap, path: string, comment: string | null | undefined): string[][] {
  return map.items.flatMap(({ key, value }, index) => {
    if (!isScalar(key)) return [];
    const name = `${path}${String(key.value)}`;
    const above = (index === 0 ? comment : undefined) ?? key.commentBefore;
    const meaning = (above ?? '').replaceAll(/\s+/g, ' ').trim();
    if (!isMap(value) || value.flow === true) return [[`\`${name}\``, defaultOf(value), meaning]];
    const own = meaning === '' || index === 0 ? [] : [[`\`${name}\``, '', meaning]];
    return [...own, ...rows(value, `${name}.`, value.commentBefore ?? (index === 0 ? above : undefined))];
  });
}

function defaultOf(value: unknown): string {
  const text = JSON.stringify(value);
  return text === '""' ? '' : `\`${text.replaceAll('"', '')}\``;
}
