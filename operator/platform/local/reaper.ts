/**
 * Ends the replicas of `penstock local` when the operator is gone, however it went: the operator holds the other
 * end of this process's stdin and says which process groups live (`+PID GRACE_SECONDS`, `-PID`). When that pipe
 * closes, everything that is left gets SIGTERM, then SIGKILL after its grace, and this process ends.
 */
import { createInterface } from 'node:readline';

const graceSecondsByGroup = new Map<number, number>();

const signalGroup = (group: number, signal: NodeJS.Signals | 0): boolean => {
  try {
    process.kill(-group, signal);
    return true;
  } catch {
    return false; // The group is gone.
  }
};

// A terminal's Ctrl-C reaches the whole foreground group; this process must outlive the operator.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const match = /^([+-])(\d+)(?: (\d+))?$/.exec(line);
    if (match === null) return;
    const group = Number(match[2]);
    if (match[1] === '+') graceSecondsByGroup.set(group, Number(match[3] ?? 0));
    else graceSecondsByGroup.delete(group);
  })
  .on('close', () => {
    const startedAtMs = performance.now();
    for (const group of graceSecondsByGroup.keys()) signalGroup(group, 'SIGTERM');
    const timer = setInterval(() => {
      for (const [group, graceSeconds] of graceSecondsByGroup) {
        const overMs = performance.now() - startedAtMs - graceSeconds * 1_000;
        const isThere = signalGroup(group, overMs > 0 ? 'SIGKILL' : 0);
        // Where nobody collects orphans, a dead group answers for ever: give up on it after a while.
        if (!isThere || overMs > 5_000) graceSecondsByGroup.delete(group);
      }
      if (graceSecondsByGroup.size === 0) clearInterval(timer);
    }, 50);
  });
