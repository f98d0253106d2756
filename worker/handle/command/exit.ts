/** How a command ended, in the words of the operating system. */
export type CommandEnd = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

/** BSD's sysexits.h: the input was wrong, and would be again. */
const dataError = 65;
/** BSD's sysexits.h: a failure that will pass. */
const temporaryFailure = 75;

export type CommandAnswer = 'ack' | 'discard' | 'retryLater' | 'fail';

/**
 * | exit            | the job                                     |
 * | --------------- | ------------------------------------------- |
 * | 0               | acked                                       |
 * | 65 EX_DATAERR   | dead letter                                 |
 * | 75 EX_TEMPFAIL  | again after backoff, as the command asked   |
 * | else, a signal  | again after backoff, as a failure           |
 */
export function judgeExit({ code }: CommandEnd): CommandAnswer {
  if (code === 0) return 'ack';
  if (code === dataError) return 'discard';
  return code === temporaryFailure ? 'retryLater' : 'fail';
}
