/** What a job author needs, and nothing else. */
export { runBatchWorker, runWorker } from './run.ts';
export type { RunningWorker, StopSummary, WorkerStats } from './run.ts';
export type { WorkerOptions } from './options.ts';
export { Discard, RetryLater } from './outcome/verdict.ts';
export type { Job } from './consume/job.ts';
export type { BatchContext, BatchHandler } from './handle/batch.ts';
export type { Permit } from './handle/limits.ts';
export type { SlotStateSource } from './handle/slotStates.ts';
export type { Handler, JobContext } from './handle/context.ts';
export type { FlightOptions, FlightWork } from './handle/flight.ts';
export type { HandlerHost } from './handle/host.ts';
export { Publisher } from './produce/publisher.ts';
export type { PublisherOptions, PublisherStats } from './produce/publisher.ts';
export type { PublishResult } from './produce/publishBatch.ts';
export type { OutgoingMessage, Stored } from './produce/wire.ts';
