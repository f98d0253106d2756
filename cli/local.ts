import { once } from 'node:events';
import { systemClock } from '#common/clock.ts';
import { createLogger } from '#common/log.ts';
import { listenForShutdown } from '#common/shutdown.ts';
import { megabytesToBytes, secondsToMs } from '#common/units.ts';
import type { PassReport } from '../operator/report/passReport.ts';
import { lookOnce, startLocalOperator } from '../operator/wiring/local.ts';
import type { CommandLineConfig } from './config.ts';
import { PassPrinter } from './passPrinter.ts';

export type LocalArguments = {
  readonly file: readonly string[];
  readonly once: boolean;
  readonly json: boolean;
  readonly periodSeconds: number;
  readonly httpPort: number | undefined;
  readonly record: string | undefined;
  readonly recordMegabytes: number;
};

const connectMs = 5_000;

/** `penstock local`: the operator over processes of this machine, until a signal. Returns the exit code. */
export async function local(args: LocalArguments, config: CommandLineConfig): Promise<number> {
  const log = createLogger('penstock-operator', config.logLevel, 2);
  const printer = new PassPrinter();
  const print = (report: PassReport): void => {
    const line = args.json ? JSON.stringify(report) : printer.line(report);
    if (line !== undefined) process.stdout.write(`${line}\n`);
  };
  const { nats, environment } = config;
  const files = args.file;

  if (args.once) {
    const reports = await lookOnce({ files, nats, environment }, connectMs, systemClock, log);
    reports.forEach(print);
    return reports.every(({ signals }) => signals.backlogMessages !== null) ? 0 : 1;
  }

  using shutdown = listenForShutdown();
  // Whoever read our output is gone: there is nobody to tell, but the replicas must still end in order.
  process.stdout.on('error', () => undefined);
  await using operator = await startLocalOperator(
    {
      files,
      nats,
      environment,
      periodMs: secondsToMs(args.periodSeconds),
      httpPort: args.httpPort,
      record:
        args.record === undefined
          ? undefined
          : { file: args.record, maxBytes: megabytesToBytes(args.recordMegabytes) },
      onReport: print,
    },
    systemClock,
    log,
  );
  shutdown.forced.addEventListener('abort', () => operator.kill());
  if (!shutdown.requested.aborted) await once(shutdown.requested, 'abort');
  log.info({ signal: String(shutdown.requested.reason) }, 'ending; replicas get their grace');
  return 0;
}
