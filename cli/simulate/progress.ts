/** Progress is shown no more often than this. */
const progressMs = 1_000;

/** On a terminal, a share of the work now and then on stderr. */
export function progress(): (what: string, share: number) => void {
  let toldMs = performance.now();
  return (what, share) => {
    if (!process.stderr.isTTY || performance.now() - toldMs < progressMs) return;
    toldMs = performance.now();
    process.stderr.write(`${what}: ${(100 * share).toFixed(0)} %\n`);
  };
}
