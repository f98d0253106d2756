import { z } from 'zod';

/** The server spells durations in nanoseconds; 0 or absent often means "default" or "no limit". */
const nanoseconds = z.number().nonnegative();

/** What the worker reads of `$JS.API.CONSUMER.INFO`. */
export const consumerInfoSchema = z.object({
  num_pending: z.number().nonnegative(),
  num_ack_pending: z.number().nonnegative(),
  paused: z.boolean().default(false),
  config: z.object({
    ack_policy: z.string(),
    deliver_subject: z.string().optional(),
    ack_wait: nanoseconds.optional(),
    backoff: z.array(nanoseconds).default([]),
    max_deliver: z.number().default(-1),
    max_ack_pending: z.number().default(-1),
    max_waiting: z.number().default(512),
    max_batch: z.number().default(0),
    max_expires: nanoseconds.default(0),
    priority_policy: z.string().default(''),
  }),
});

export type ConsumerInfo = z.infer<typeof consumerInfoSchema>;

export type Needs = {
  readonly slots: number;
  readonly maxAttempts: number;
  /** Jobs that may wait for their key beside those in slots; 0 when jobs have no key. */
  readonly maxWaiting: number;
};

export type Fit = {
  /** Each a reason why this worker cannot serve the consumer, with what would help. */
  readonly faults: readonly string[];
  /** Each something that works but will hurt. */
  readonly warnings: readonly string[];
};

/** Below this, one pause of the event loop or the network loses leases. */
const shortAckWaitMs = 3_000;
/** The server's default is 512; a fleet of a few dozen replicas fills anything much smaller. */
const lowMaxWaiting = 128;

/** Compares an existing consumer with what this worker needs. */
export function checkFit({ config }: ConsumerInfo, needs: Needs): Fit {
  const faults: string[] = [];
  const warnings: string[] = [];
  if (config.deliver_subject !== undefined && config.deliver_subject !== '') {
    faults.push(
      `it is a push consumer (deliver_subject ${config.deliver_subject}); create it without deliver_subject`,
    );
  }
  if (config.ack_policy !== 'explicit') {
    faults.push(`its ack_policy is ${config.ack_policy}; jobs are acked one by one, which needs explicit`);
  }
  if (config.priority_policy !== '' && config.priority_policy !== 'none') {
    faults.push(
      `its priority_policy is ${config.priority_policy}; only consumers without priority groups are served`,
    );
  }
  if (config.backoff.length > 0) {
    warnings.push('it has a backoff list, which replaces ack_wait and distorts retry delays; remove backoff');
  }
  if (ackWaitMs(config) < shortAckWaitMs) {
    warnings.push(
      `its ack_wait is ${ackWaitMs(config)} ms; below ${shortAckWaitMs} ms a short pause loses leases`,
    );
  }
  if (config.max_deliver > 0 && config.max_deliver <= needs.maxAttempts) {
    warnings.push(
      `its max_deliver is ${config.max_deliver}: the server gives jobs up before or at attempt ${needs.maxAttempts}, ` +
        'and none reaches the dead letters; set max_deliver to -1 or well above the attempts',
    );
  }
  if (config.max_waiting > 0 && config.max_waiting < lowMaxWaiting) {
    warnings.push(
      `its max_waiting is ${config.max_waiting}: further replicas are refused silently; create it with at least ${lowMaxWaiting}`,
    );
  }
  if (config.max_ack_pending > 0 && config.max_ack_pending < needs.slots) {
    warnings.push(
      `its max_ack_pending is ${config.max_ack_pending}, below the ${needs.slots} slots of one replica: slots stay idle`,
    );
  }
  if (
    needs.maxWaiting > 0 &&
    config.max_ack_pending > 0 &&
    config.max_ack_pending < needs.slots + needs.maxWaiting
  ) {
    warnings.push(
      `its max_ack_pending is ${config.max_ack_pending}: ${needs.maxWaiting} jobs that wait for their key in one ` +
        'replica can use it up, and other keys stand still; raise it, or lower maxWaiting',
    );
  }
  return { faults, warnings };
}

/** How long the server waits for an ack before it delivers again, milliseconds. A backoff list overrides ack_wait. */
export function ackWaitMs(config: Pick<ConsumerInfo['config'], 'ack_wait' | 'backoff'>): number {
  // Each delivery has its own, and leases are all treated as if they had the shortest.
  const nanos = config.backoff.length > 0 ? Math.min(...config.backoff) : config.ack_wait;
  // The server's default when neither is set.
  return nanos === undefined || nanos === 0 ? 30_000 : nanos / 1_000_000;
}
