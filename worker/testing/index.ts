/** For the tests of job authors: `penstock/worker/testing`. */
export { runJob } from './runJob.ts';
export type { GivenJob, JobOutcome, JobRun, RunJobOptions } from './runJob.ts';
export { runBatch } from './runBatch.ts';
export type { BatchRun, RunBatchOptions } from './runBatch.ts';
export { startNatsServer } from './natsServer.ts';
export type { NatsServerOptions, TestNatsServer } from './natsServer.ts';
export { expectNoLeaks } from './leaks.ts';
export type { LeakOptions } from './leaks.ts';
