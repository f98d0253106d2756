const blocks = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;

/**
 * One line of block characters for the latest values; nothing is drawn where nothing was known. Zero is the lowest
 * block, the highest value shown is the highest block.
 *
 * @param width in characters; longer histories keep their maximum per character, so that no peak disappears.
 */
export function renderGraph(history: readonly (number | null)[], width: number): string {
  const shown = shorten(history, width);
  const peak = Math.max(1, ...shown.filter((value) => value !== null));
  return shown
    .map((value) => {
      if (value === null) return ' ';
      // Anything above zero must look different from zero.
      const height = value <= 0 ? 0 : Math.max(1, Math.round((value / peak) * (blocks.length - 1)));
      return blocks[height] ?? ' ';
    })
    .join('');
}

function shorten(history: readonly (number | null)[], width: number): (number | null)[] {
  const perCharacter = Math.max(1, Math.ceil(history.length / Math.max(1, width)));
  const shortened: (number | null)[] = [];
  for (let start = 0; start < history.length; start += perCharacter) {
    const known = history.slice(start, start + perCharacter).filter((value) => value !== null);
    shortened.push(known.length === 0 ? null : Math.max(...known));
  }
  return shortened;
}
